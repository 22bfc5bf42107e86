/**
 * What a device asks of the platform, where the platform is a browser (Node: platform.node.ts; package.json chooses).
 */

/** Lets the engine accept relaxed SIMD where that hides behind a switch. Browsers have no switches. */
export function enableRelaxedSimd(): void {}

/** Compiles with the optimising compiler at once if the platform lets one ask for it. */
export function compileOptimized(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  return new WebAssembly.Module(bytes)
}
