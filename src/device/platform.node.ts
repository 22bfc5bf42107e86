/**
 * What a device asks of the platform, in Node: V8's switches.
 * Not here: anything that a browser can do too.
 */
import { availableParallelism } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { NativeTier } from './native/index.node.js'
import type { Native } from './platform.js'

export { joinCrew } from './crew.node.js'
export type { Crew, Native } from './platform.js'
export { readTuning } from './tuning.node.js'

/** Told once, as Node's own warnings are: `--no-warnings` silences it, `process.on('warning')` hears it. */
export function warn(line: string, notice: (line: string) => void): void {
  notice(line)
  process.emitWarning(`lenet: ${line}`)
}

/** Cores that a team may use unless told otherwise. */
export const coreCount = availableParallelism

/** Native code; whether this machine can make it is found out when it is asked for. */
export const nativeTier = (...args: ConstructorParameters<typeof NativeTier>): Native => new NativeTier(...args)

/** Node 20's V8 has relaxed SIMD behind a switch; later ones always, and older ones not at all. */
export function enableRelaxedSimd(): void {
  if (process.versions.node.startsWith('20.')) setFlagsFromString('--experimental-wasm-relaxed-simd')
}

/**
 * Compiles every function with V8's optimising compiler now, not its quick one first: a step has few functions, each of
 * which runs for long, and the quick code is many times slower. The switches are put back for other modules.
 */
export function compileOptimized(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  setFlagsFromString('--no-liftoff')
  setFlagsFromString('--no-wasm-lazy-compilation')
  try {
    return new WebAssembly.Module(bytes)
  } finally {
    setFlagsFromString('--wasm-lazy-compilation')
    setFlagsFromString('--liftoff')
  }
}
