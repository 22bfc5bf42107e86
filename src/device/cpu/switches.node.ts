/**
 * The one switch of V8 that is ever set: relaxed SIMD on Node 20, whose V8 has it, finished, behind one. Every later Node
 * has it without, so an unknown one is left as it is: Node documents that a switch set in a running process may crash it,
 * and from Node 25 on some do.
 * Not here: what the engine then finds (wasm.ts probes).
 */
import { setFlagsFromString } from 'node:v8'

/** Versions that were tried; they need the switch. */
const hidden = /^20\./

/**
 * To be called before this process compiles any WebAssembly of ours.
 * @param version stands for this Node's in tests, as `set` does for V8's own
 */
export function enableRelaxedSimd(version: string = process.versions.node, set = setFlagsFromString): void {
  if (!hidden.test(version)) return
  try {
    set('--experimental-wasm-relaxed-simd')
  } catch {
    // an engine that does not know it: the probe finds no relaxed SIMD
  }
}
