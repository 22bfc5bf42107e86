/**
 * What a device asks of the platform, in Node: V8's switches.
 * Not here: anything that a browser can do too.
 */
import { setFlagsFromString } from 'node:v8'

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
