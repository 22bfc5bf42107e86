/** The room `graph`: the lazy graph of one step. */
export * from './compose.js'
export { gradients } from './gradient.js'
export * from './gradMode.js'
export { make, makeTyped } from './infer.js'
export * from './node.js'
export * from './ops.js'
export { evaluate, evaluate64, evaluateAll } from './reference.js'
export type { Numbers } from './referenceShared.js'
