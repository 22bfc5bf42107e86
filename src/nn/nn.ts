/** What `nn` holds, under PyTorch's names. */
export * as functional from './functional.js'
export * as init from './init.js'
export * from './layers/index.js'
export { Module, type Layer } from './module.js'
export { Buffer, Parameter } from './parameter.js'
