/**
 * What cases are made of: numbers that are the same in every process, leaves of them, and shapes of cases that several lists
 * have. Not a test.
 */
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'

export interface Built {
  readonly output: Node
  /** Leaves that want a gradient. */
  readonly leaves: readonly Node[]
}

export interface Case {
  readonly name: string
  readonly build: () => Built
}

export type Behind = (x: Node) => Node

let seed = 0

/** What is drawn next follows from `next` alone. */
export function seedNumbers(next: number): void {
  seed = next
}

export const numbers = (shape: Shape, low = -1, high = 1): Float32Array =>
  new Generator(++seed).uniform(new Float32Array(sizeOf(shape)), low, high)
export const leaf = (shape: Shape, low = -1, high = 1): Node =>
  g.hostLeaf(numbers(shape, low, high), shape, 'f32', true)
export const given = (shape: Shape): Node => g.hostLeaf(numbers(shape), shape, 'f32')
export const integers = (shape: Shape, below: number): Node =>
  g.hostLeaf(Int32Array.from(numbers(shape, 0, below), Math.floor), shape, 'i32')

export const single = (name: string, shape: Shape, f: (x: Node) => Node): Case => ({
  name,
  build: () => {
    const x = leaf(shape)
    return { output: f(x), leaves: [x] }
  },
})
