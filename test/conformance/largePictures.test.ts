/** Pictures so large that a position cannot be divided by their width with one multiplication. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LenetError } from '../../src/base/index.js'
import { divider } from '../../src/compiler/lower/divide.js'
import { F } from '../../src/nn/index.js'
import { fromArray, type Tensor } from '../../src/tensor/index.js'

const sines = (shape: readonly number[], step: number, requiresGrad = false): Tensor => {
  const length = shape.reduce((product, size) => product * size, 1)
  const values = Float32Array.from({ length }, (_, i) => Math.sin(i * step))
  return fromArray(values, shape, 'f32', requiresGrad)
}

test('every position is divided rightly, or one too low where that is said', () => {
  for (const [height, width] of [
    [28, 28],
    [222, 222],
    [333, 777],
    [777, 333],
    [2, 5000],
    [1000, 1000],
  ] as const) {
    const { factor, shift, exact } = divider(width, height * width)
    for (let q = 0; q < height * width; q++) {
      const found = Math.imul(q, factor) >>> shift
      const low = !exact && q - found * width >= width ? 1 : 0
      if (found + low !== Math.floor(q / width)) assert.fail(`${q} / ${width} gave ${found}`)
    }
  }
  assert.throws(() => divider(4000, 16_000_000), LenetError)
})

test('conv, relu and pool of 224 × 224: the gradients of the sparse way are those of the dense one', () => {
  const x = sines([1, 1, 224, 224], 1)
  const gradient = (loss: (y: Tensor) => Tensor): Float32Array => {
    const weight = sines([2, 1, 3, 3], 0.7, true)
    const y = F.conv2d(x, weight).relu()
    loss(y).backward()
    return weight.grad?.toTypedArray() as Float32Array
  }
  const sparse = gradient((y) => F.maxPool2d(y, 2).sum())
  const dense = gradient((y) => F.maxPool2d(y, 2).sum().add(y.sum().mul(0)))
  sparse.forEach((value, i) => assert.ok(Math.abs(value / dense[i]! - 1) < 1e-5, `${value}, ${dense[i]}`))
})
