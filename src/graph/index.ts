/** The room `graph`: the lazy graph of one step. */
export * from './node.js'
export * from './ops.js'
