/** The room `compiler`: from graphs to kernels, and from kernels to machine code. */
export { groupSize, slackBytes, unitBytes, type Alloc, type Value } from './kernel.js'
export * from './loop/index.js'
export * from './render/c/index.js'
export * from './render/wasm/index.js'
export * from './schedule/plan.js'
export * from './tile/target.js'
export { suitsFew } from './schedule/fewTable.js'
