/**
 * What the native compiler service tells: plain values that also go between threads.
 * Not here: anything that runs.
 */
import type { CSource } from '../../../compiler/index.js'

/** A C compiler that can make kernels for this processor, and where they are kept. */
export interface ToolchainInfo {
  /** As a person would type it: 'cc', 'zig cc', or what CC says. */
  readonly command: string
  /** The program's absolute path. */
  readonly path: string
  /** What stands before the flags, such as zig's 'cc' or the rest of CC. */
  readonly prefix: readonly string[]
  /** 'gcc 12.2.0', 'clang 14.0.6'. */
  readonly version: string
  /** Of the processor, as the compiler sees them with all flags: 'avx512f', 'avx2', 'fma', 'neon', 'sve'. */
  readonly features: readonly string[]
  /** float32 numbers in one vector: what C should be rendered for. */
  readonly lanes: 4 | 8 | 16
  /** All flags of a compilation, those of LENET_CFLAGS last. */
  readonly flags: readonly string[]
  readonly cache: CacheInfo
  /** Clear lines for the user: what could not be used, and what is used instead. Often empty. */
  readonly notices: readonly string[]
  /** Why the compiler that CC says was not taken, where another was: whoever insists on native code is told. */
  readonly refused?: string
}

/** The folder of compiled kernels. */
interface CacheInfo {
  readonly folder: string
  /** It is a temporary one of this process, because the usual one cannot be trusted or written (a notice says why). */
  readonly isPrivate: boolean
  readonly entries: number
  readonly bytes: number
}

/** Why there is no native device. */
export interface NoToolchain {
  readonly reason: string
}

/** A function and the compiled library that has it, checked, loadable by openLibrary. */
export interface BuiltPart {
  readonly path: string
  readonly name: string
}

export interface Built {
  /** For each source its parts. */
  readonly parts: readonly (readonly BuiltPart[])[]
  /** All was in the cache: no compiler ran. */
  readonly cached: boolean
}

/** Why sources have no libraries. */
export interface BuildFailure {
  readonly error: string
}

/** What the compile worker is started with. All of it can be cloned. */
export interface WorkerOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folder: string
  readonly maximumBytes: number
  /** The module that makes native calls: its path, or its name where it was not found. */
  readonly caller: string
  readonly niceness: number
  /** In the names of this service's temporary folders. */
  readonly token: string
  readonly shared: Int32Array
}

/** Cells of WorkerOptions.shared. */
export const CELL = {
  /** Counts the worker's messages: the main thread waits for a change. */
  messages: 0,
  /** Counts up while the worker lives. */
  beat: 1,
  /** 1: begin nothing more. */
  closed: 2,
  /** 1 while the worker is inside native code: a thread that is ended there takes the process with it. */
  inside: 3,
  /** From here on one for each compiler that may run at a time: its process group, STARTING, or 0. */
  groups: 4,
} as const

/** Compilers that run at a time, at most. */
export const MOST_COMPILERS = 16

/** Of a cell of CELL.groups: a process is being made. */
export const STARTING = -1

export interface Job {
  readonly id: number
  readonly sources: readonly CSource[]
}

export type WorkerMessage =
  | { readonly kind: 'toolchain'; readonly result: ToolchainInfo | NoToolchain }
  | { readonly kind: 'built'; readonly id: number; readonly result: Built | BuildFailure }
