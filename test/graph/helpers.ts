/** What the tests of the graph share: leaves, repeatable numbers, closeness. Not a test. */
import assert from 'node:assert/strict'
import { Generator, sizeOf } from '../../src/base/index.js'
import type { Shape } from '../../src/base/index.js'
import { evaluate64, gradients, hostLeaf, isOp, mul, sum } from '../../src/graph/index.js'
import type { HostStorage, Node, Numbers } from '../../src/graph/index.js'

export const f32 = (shape: Shape, values: readonly number[], requiresGrad = true): Node =>
  hostLeaf(Float32Array.from(values), shape, 'f32', requiresGrad)

export const i32 = (shape: Shape, values: readonly number[]): Node => hostLeaf(Int32Array.from(values), shape, 'i32')

/** A leaf of uniform numbers in [low, high) that wants a gradient. */
export function random(shape: Shape, seed: number, low = -1, high = 1): Node {
  return hostLeaf(new Generator(seed).uniform(new Float32Array(sizeOf(shape)), low, high), shape, 'f32', true)
}

/** Distinct numbers in a shuffled order, 0.1 apart, none near 0: no ties and no kinks within a finite difference. */
export function distinct(shape: Shape, seed: number): Node {
  const count = sizeOf(shape)
  const order = new Generator(seed).randperm(count)
  return f32(
    shape,
    Array.from(order, (i) => (i - Math.floor(count / 2)) * 0.1 + 0.05),
  )
}

const near = (a: number, b: number, tolerance: number): boolean =>
  Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b))

export function assertClose(actual: Numbers, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, `${what}: length`)
  for (let i = 0; i < actual.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!]
    assert.ok(near(a, b, tolerance), `${what}: value ${i} is ${a}, expected ${b}`)
  }
}

const dataOf = (leaf: Node): Numbers => (leaf.storage as HostStorage).data

/** The gradient of f at one leaf by central differences of the reference in float64. */
function numericGradient(loss: Node, leaf: Node, step: number): Float64Array {
  const at = (i: number, by: number): number => {
    const data = Float64Array.from(dataOf(leaf))
    data[i]! += by
    return evaluate64(loss, new Map([[leaf, data]]))[0]!
  }
  return Float64Array.from(dataOf(leaf), (_, i) => (at(i, step) - at(i, -step)) / (2 * step))
}

/** Compares the gradients of Σ output·weights, weights repeatable, with central differences at every leaf. */
export function checkGradients(output: Node, leaves: readonly Node[], what: string, step = 1e-5): void {
  const weights = hostLeaf(
    new Generator(99).uniform(new Float32Array(sizeOf(output.shape)), 0.5, 1.5),
    output.shape,
    'f32',
  )
  const loss = sum(mul(output, weights))
  const found = gradients(loss, leaves)
  leaves.forEach((leaf, i) => {
    const gradient = found[i]
    assert.ok(gradient, `${what}: input ${i} has a gradient`)
    assert.deepEqual(gradient.shape, leaf.shape, `${what}: shape of gradient ${i}`)
    assert.equal(gradient.layout, leaf.layout, `${what}: layout of gradient ${i}`)
    assert.equal(gradient.requiresGrad, false)
    assertClose(evaluate64(gradient), numericGradient(loss, leaf, step), 2e-7, `${what}: gradient ${i}`)
  })
}

/** How many nodes of one operation a graph has. */
export function countOps(root: Node, op: Node['op']): number {
  const seen = new Set([root])
  for (const node of seen) for (const input of node.inputs) seen.add(input)
  return [...seen].filter((node) => isOp(node, op)).length
}
