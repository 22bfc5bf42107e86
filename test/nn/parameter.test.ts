/** Parameters and buffers from any tensor: a copy of its values, trained by itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nn, optim } from '../../src/nn/index.js'
import { tensor, type Nested, type Tensor } from '../../src/tensor/index.js'

/** One step of SGD on the sum of squares: x becomes −x. */
function turned(x: Tensor): Nested {
  x.mul(x).sum().backward()
  new optim.SGD([x], { lr: 1 }).step()
  return x.toArray()
}

test('a parameter of values, of a computed tensor, of another parameter', () => {
  const values = tensor([1, 2])
  assert.deepEqual(
    [turned(new nn.Parameter(values)), values.toArray()],
    [
      [-1, -2],
      [1, 2],
    ],
  )
  assert.deepEqual(turned(new nn.Parameter(values.mul(0.5))), [-0.5, -1])
  const first = new nn.Parameter(values)
  const second = new nn.Parameter(first)
  assert.deepEqual([turned(second), first.toArray(), first.grad], [[-1, -2], [1, 2], null])
  const third = new nn.Parameter(first.mul(3))
  assert.deepEqual([turned(third), first.grad], [[-3, -6], null])
})

test('a frozen parameter of one that is trained', () => {
  const frozen = new nn.Parameter(new nn.Parameter(tensor([1, 2])), false)
  assert.deepEqual([frozen.requiresGrad, frozen.isLeaf], [false, true])
})

test('a buffer of a computed tensor can be overwritten, and does not follow what it was made of', () => {
  const weight = new nn.Parameter(tensor([1, 2]))
  const buffer = new nn.Buffer(weight.mul(2))
  turned(weight)
  assert.deepEqual(buffer.toArray(), [2, 4])
  assert.deepEqual(buffer.copy_([5, 6]).toArray(), [5, 6])
})

test('what was computed without gradient can be told to want one', () => {
  const x = tensor([1, 2]).mul(2).detach().requiresGrad_()
  x.mul(x).sum().backward()
  assert.deepEqual(x.grad?.toArray(), [4, 8])
})
