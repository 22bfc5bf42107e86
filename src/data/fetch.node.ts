/**
 * The fetch of a data set: what the user's folder means, else our cache and the other sources. Two processes may run it at
 * once. Not here: the sources themselves (sources.node.ts).
 */
import { join, resolve } from 'node:path'
import { LenetError } from '../base/index.js'
import { exists } from './containers.node.js'
import {
  warnOf,
  type Container,
  type DataSet,
  type FetchedData,
  type FetchOptions,
  type World,
} from './dataSet.node.js'
import { foreignStamps, inspectFolder, stampPath, verifyPart } from './partsFolder.node.js'
import { fillFolder, outsideSources, takeParts, type Fetch, type Source } from './sources.node.js'
import { addStamps, isStamped, readStamps, sha256, stampOf } from './stamps.node.js'

function allFiles(set: DataSet): Set<string> {
  return new Set(set.parts.map(({ file }) => file))
}

/** What a folder of the user's was proved to hold: all the right sums. */
function contentSum(set: DataSet): string {
  return sha256(new TextEncoder().encode(set.parts.map(({ sum }) => sum).join(' ')))
}

async function isKnown(container: Container, { set, world }: Fetch): Promise<boolean> {
  const stamps = await readStamps(foreignStamps(world.cacheFolder).path)
  const sum = contentSum(set)
  const known = await Promise.all(container.files.map((file) => isStamped(stamps, file, file, sum)))
  return known.every(Boolean)
}

async function remember(container: Container, { set, world }: Fetch): Promise<void> {
  const sum = contentSum(set)
  const stamps = await Promise.all(container.files.map(async (file) => [file, await stampOf(file, sum)] as const))
  await addStamps(foreignStamps(world.cacheFolder).path, new Map(stamps))
}

/** Parts that lie in the user's folder as our cache has them are used there. Throws LenetError that says what is wrong. */
async function useInPlace(container: Container, { set, world }: Fetch, verify: boolean): Promise<string> {
  const state = await inspectFolder(container.where, set, verify, foreignStamps(world.cacheFolder))
  if (state.isWhole) return container.where
  for await (const found of set.read(container, allFiles(set))) verifyPart(set, found)
  return container.where
}

/** Other layouts are decoded into our cache; every part of theirs is verified, whatever the cache has. */
async function useDecoded(container: Container, fetch: Fetch, verify: boolean): Promise<string> {
  const folder = fetch.world.cacheFolder
  const { isWhole } = await inspectFolder(folder, fetch.set, verify)
  if (isWhole && !verify && (await isKnown(container, fetch))) return folder
  await takeParts(container, folder, allFiles(fetch.set), fetch)
  await remember(container, fetch)
  return folder
}

/** The first of the user's containers that is right; when none is, what is wrong with the first. */
async function useOneOf(containers: readonly Container[], fetch: Fetch, verify: boolean): Promise<string> {
  let first: LenetError | undefined
  for (const container of containers) {
    try {
      return await (container.isReady ? useInPlace : useDecoded)(container, fetch, verify)
    } catch (error) {
      if (!(error instanceof LenetError)) throw error
      first ??= error
      if (container !== containers.at(-1)) warnOf(fetch.hooks)(`${error.message}; trying what else lies there`)
    }
  }
  throw first ?? new LenetError(`no folder or archive to read ${fetch.set.title} from`)
}

/** Where a folder without the data set gets it from: our cache first, where that is whole. */
async function sourcesFor(fetch: Fetch): Promise<Source[]> {
  const { cacheFolder } = fetch.world
  const { isWhole } = await inspectFolder(cacheFolder, fetch.set)
  const open = (): Promise<Container[]> => fetch.set.find(cacheFolder)
  const cache: Source[] = isWhole ? [{ kind: 'cache', name: cacheFolder, open }] : []
  return [...cache, ...outsideSources(fetch)]
}

/** A folder that we filled, or began to, carries our stamp. */
async function ownFolderIn(dir: string, { folderName }: DataSet): Promise<string | undefined> {
  for (const folder of [dir, join(dir, folderName)]) if (await exists(stampPath(folder))) return folder
  return undefined
}

/** Into the user's folder, which has nothing of it yet, or what we once put there. */
async function fillUsersFolder(
  dir: string,
  own: string | undefined,
  fetch: Fetch,
  verify: boolean,
): Promise<FetchedData> {
  const other = own === undefined ? await fetch.set.otherThan(dir) : undefined
  if (other !== undefined) {
    throw new LenetError(`${dir} holds ${other}, not ${fetch.set.title}: name another folder with --dir`)
  }
  const folder = own ?? join(dir, fetch.set.folderName)
  const source = await fillFolder(folder, await sourcesFor(fetch), fetch, verify)
  return { folder, source: source === 'cache' && own !== undefined ? 'dir' : source }
}

/**
 * Makes sure that a data set is there, verified by its official SHA-256 sums, and says where; fetches it when it is not.
 * Throws LenetError when no source has it, the folder given holds something else or damaged, or no space is left; the
 * signal's reason when aborted.
 */
export async function fetchDataSet(set: DataSet, world: World, options: FetchOptions): Promise<FetchedData> {
  const fetch = { set, world, hooks: options }
  const verify = options.verify === true
  if (options.dir === undefined) {
    const folder = world.cacheFolder
    return { folder, source: await fillFolder(folder, outsideSources(fetch), fetch, verify) }
  }
  const dir = resolve(options.dir)
  const own = await ownFolderIn(dir, set)
  const containers = own === undefined ? await set.find(dir) : []
  if (containers.length === 0) return fillUsersFolder(dir, own, fetch, verify)
  return { folder: await useOneOf(containers, fetch, verify), source: 'dir' }
}
