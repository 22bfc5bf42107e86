/** The room `graph`: the lazy graph of one step. */
export * from './compose.js'
export { gradients } from './gradient.js'
export * from './gradMode.js'
export { infer, make, makeTyped } from './infer.js'
export * from './node.js'
export * from './ops.js'
