/**
 * What the fetch of a data set needs to know of it, and of the world. Everything that differs between CIFAR-10 and MNIST
 * is in a DataSet; everything that tests replace is in a World. Types only, and the real world.
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { cacheHome, writeFileAtomic } from '../base/fs.node.js'
import type { DataProgress } from './imageSet.js'
import { npmPack } from './remote.node.js'

/** One of the files that make up a data set in our cache. */
export interface Part {
  readonly file: string
  /** Hexadecimal SHA-256. */
  readonly sum: string
  readonly bytes: number
  /** Says what is wrong with a length; undefined where it is right. */
  readonly lengthFault: (bytes: number) => string | undefined
  /** Throws LenetError that names `from` when the contents cannot be right. */
  readonly check: (bytes: Uint8Array, from: string) => void
}

/** A file or archive member as it was found. */
export interface Member {
  /** Without its folder. */
  readonly name: string
  /** As errors name it. */
  readonly where: string
  readonly bytes: Uint8Array
}

/** A folder or an archive that may hold a data set. */
export interface Container {
  readonly where: string
  /** The parts lie there as they would in our cache: it can be used as it is. */
  readonly isReady: boolean
  /** What must be unchanged for the contents to be unchanged. */
  readonly files: readonly string[]
  readonly members: (wanted: (name: string) => boolean) => AsyncGenerator<Member>
}

/** A part in our format, not verified yet. */
export interface FoundPart {
  readonly part: Part
  readonly bytes: Uint8Array
  /** The file it was read from. */
  readonly from: string
}

export interface DataSet {
  /** Its name in sentences. */
  readonly title: string
  readonly parts: readonly Part[]
  /** The folder it gets inside a folder of the user's. */
  readonly folderName: string
  /** `name@version`, and the bytes of its tarball. */
  readonly npmPackage: string
  readonly npmBytes: number
  /** The official files. */
  readonly urls: readonly string[]
  /** Every known layout in a folder, the ones that cost least to read first; `path` may be an archive itself. */
  readonly find: (path: string) => Promise<Container[]>
  /** The needed parts (by file) of a container, one in memory at a time. Throws LenetError: unreadable, or not all there. */
  readonly read: (container: Container, needed: ReadonlySet<string>) => AsyncGenerator<FoundPart>
  /** Says what other data set lies in a folder without this one. */
  readonly otherThan: (folder: string) => Promise<string | undefined>
}

/** Everything outside of us that a fetch touches. */
export interface World {
  /** Our cache of this data set. */
  readonly cacheFolder: string
  /** Folders of PyTorch's and Keras's caches. */
  readonly existing: readonly string[]
  /** Puts a package's tarball into a folder and returns its path. */
  readonly npmPack: (folder: string, name: string, signal?: AbortSignal) => Promise<string>
  readonly fetch: typeof globalThis.fetch
  readonly write: (path: string, bytes: Uint8Array) => Promise<void>
  /** First pause after a download broke off, in milliseconds. */
  readonly pauseMs: number
}

/** `name`: our folder, and PyTorch's. `./data` is meant from the current folder; KERAS_HOME moves Keras's cache as it does for Keras. */
export function realWorld(name: string): World {
  const kerasHome = process.env['KERAS_HOME'] ?? join(homedir(), '.keras')
  return {
    cacheFolder: join(cacheHome(), name),
    existing: [join(homedir(), '.pytorch', 'datasets', name), resolve('data'), join(kerasHome, 'datasets')],
    npmPack,
    fetch: globalThis.fetch,
    write: writeFileAtomic,
    pauseMs: 1000,
  }
}

/** Where a data set came from. */
export type DataSource = 'dir' | 'cache' | 'existing' | 'npm' | 'official'

/** What a fetch tells while it works. */
export interface FetchHooks {
  readonly onProgress?: ((progress: DataProgress) => void) | undefined
  /** One line for everything found wrong and repaired; default console.warn. */
  readonly warn?: ((line: string) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FetchOptions extends FetchHooks {
  /**
   * A folder that holds the data set in any known layout (or is such an archive), else the folder to put it into, in a
   * folder of its own. Default: our cache.
   */
  readonly dir?: string | undefined
  /** Hash everything again, stamp or not; default false. */
  readonly verify?: boolean | undefined
}

export interface FetchedData {
  /** Holds every part, all verified. */
  readonly folder: string
  /** Where it came from this time. */
  readonly source: DataSource
}

export function warnOf(hooks: FetchHooks): (line: string) => void {
  return hooks.warn ?? ((line) => console.warn(line))
}
