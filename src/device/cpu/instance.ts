/**
 * A WebAssembly module with the one memory. In a file of its own, which no declaration of the library leads to: the types of
 * WebAssembly come with a page's library (DOM).
 */
import type { LinearMemory } from './memory.js'

/** `look`: asked in a long wait whether a member of the team is gone (not 0). */
export const instanceOn = (module: object, memory: LinearMemory, look = (): number => 0): WebAssembly.Instance =>
  new WebAssembly.Instance(module, { env: { memory: memory as WebAssembly.Memory, look } })
