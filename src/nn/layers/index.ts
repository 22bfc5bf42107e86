/** The layers, as `nn`'s names. */
export * from './containers.js'
export { Conv2d, Linear, type Conv2dOptions, type LinearOptions } from './conv.js'
export * from './norm.js'
export * from './pool.js'
export * from './simple.js'
