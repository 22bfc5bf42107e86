/** The room `compiler`: from graphs to kernels, and from kernels to machine code. */
export * from './loop/index.js'
export * from './render/wasm/index.js'
