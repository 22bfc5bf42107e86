/** The room `base`: what everything else stands on. It imports nothing and runs anywhere (files: fs.node.ts, apart). */
export * from './alu.js'
export * from './dtype.js'
export * from './errors.js'
export * from './fma.js'
export * from './hash32.js'
export * from './philox.js'
export * from './rng.js'
export * from './shape.js'
