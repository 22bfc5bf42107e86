/**
 * A WebAssembly module with the one memory. In a file of its own, which no declaration of the library leads to: the types of
 * WebAssembly come with a page's library (DOM).
 */
import type { LinearMemory } from './memory.js'

export const instanceOn = (module: object, memory: LinearMemory): WebAssembly.Instance =>
  new WebAssembly.Instance(module, { env: { memory: memory as WebAssembly.Memory } })
