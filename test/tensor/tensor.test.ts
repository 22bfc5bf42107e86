/** What tensors are and give: making, reading, arithmetic, shapes, errors. Kernels have tests of their own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UsageError, type DType } from '../../src/base/index.js'
import { F, nn } from '../../src/nn/index.js'
import {
  arange,
  cat,
  compileStep,
  fromArray,
  full,
  manualSeed,
  max,
  ones,
  ops,
  rand,
  randn,
  randperm,
  stack,
  tensor,
  where,
  zeros,
  type Tensor,
} from '../../src/tensor/index.js'

test('tensors are made from nested lists, numbers and typed arrays', () => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])
  assert.deepEqual([...x.shape], [2, 3])
  assert.equal(x.size(-1), 3)
  assert.deepEqual([x.dim(), x.numel(), x.dtype], [2, 6, 'f32'])
  assert.equal(tensor(3.5).item(), 3.5)
  assert.equal(tensor(Int32Array.of(1, 2)).dtype, 'i32')
  assert.deepEqual([...tensor(Uint8Array.of(1, 2, 3, 4), { shape: [2, 2] }).shape], [2, 2])
  assert.deepEqual(tensor([true, false]).toArray(), [1, 0])
  assert.deepEqual(tensor([]).toArray(), [])
})

test('the values are copied', () => {
  const source = Float32Array.of(1, 2)
  const x = tensor(source)
  source[0] = 9
  assert.deepEqual(x.toArray(), [1, 2])
})

test('lists of unequal length and wrong shapes are told', () => {
  assert.throws(() => tensor([[1, 2], [3]]), /a list of 1 where 2 is expected \(dimension 1\)/)
  assert.throws(() => tensor([[1, 2], 3]), /not nested equally deep/)
  assert.throws(() => tensor([1, 2, 3], { shape: [2, 2] }), /3 values do not fill the shape \[2, 2\]/)
  assert.throws(() => tensor([1, 2], { dtype: 'i32', requiresGrad: true }), /only f32 tensors can require a gradient/)
})

test('a dtype that there is not is told at every door, and spoils nothing that comes after', () => {
  const values = new Float32Array([1, 2, 3, 4])
  for (const name of ['float32', 'int64', 'long', 'bool', 'F32', '', null]) {
    const dtype = name as unknown as DType // as plain JavaScript gives it
    const doors = [
      () => tensor([1, 2], { dtype }),
      () => tensor(values, { dtype, shape: [2, 2] }),
      () => full([2], 1, { dtype }),
      () => zeros([2], { dtype }),
      () => ones([2], { dtype }),
      () => arange(0, 4, 1, { dtype }),
      () => fromArray(values, [2, 2], dtype),
      () => tensor([1, 2]).to(dtype),
      () => ops.hostLeaf(values, [4], dtype),
      () => ops.cast(tensor([1, 2]).node, dtype),
    ]
    for (const [i, door] of doors.entries())
      assert.throws(
        door,
        (error: unknown) => error instanceof UsageError && /f32.*i32.*u8/.test(error.message),
        `door ${i}: ${name}`,
      )
  }
  const product = tensor([
    [5, 6],
    [7, 8],
  ]).mul(2)
  assert.deepEqual(product.toArray(), [
    [10, 12],
    [14, 16],
  ])
})

test('fromArray takes an array of the dtype and length it says', () => {
  assert.throws(() => fromArray(new Float32Array(4), [2, 2], 'i32'), /Int32Array.*got 4 in Float32Array/)
  assert.throws(() => fromArray(new Uint8Array(3), [2, 2], 'u8'), /expects 4 values.*got 3/)
})

test('options that there are not are told', () => {
  const options = { requires_grad: true } as object
  const doors = [() => tensor([1], options), () => zeros([1], options), () => arange(0, 2, 1, options)]
  for (const door of [...doors, () => rand([1], options), () => randn([1], options)])
    assert.throws(door, /there is no option requires_grad; there are .*requiresGrad/)
})

test('filled tensors and ranges', () => {
  assert.deepEqual(zeros([2]).toArray(), [0, 0])
  assert.deepEqual(ones([1, 2]).toArray(), [[1, 1]])
  assert.deepEqual(full([2], 7, { dtype: 'i32' }).toArray(), [7, 7])
  assert.deepEqual(arange(4).toArray(), [0, 1, 2, 3])
  assert.deepEqual(arange(0, 1, 0.25).toArray(), [0, 0.25, 0.5, 0.75])
  assert.deepEqual(arange(5, 2, -1).toArray(), [5, 4, 3])
})

test('the same seed gives the same numbers', () => {
  manualSeed(3)
  const [a, order] = [rand([4]).toArray(), randperm(5).toArray()]
  manualSeed(3)
  assert.deepEqual(rand([4]).toArray(), a)
  assert.deepEqual(randperm(5).toArray(), order)
})

test('arithmetic broadcasts, with tensors and numbers', () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ])
  const result = x
    .add(tensor([10, 20]))
    .mul(2)
    .sub(1)
    .div(tensor([[1], [2]]))
  assert.deepEqual(result.toArray(), [
    [21, 43],
    [12.5, 23.5],
  ])
  assert.deepEqual(x.neg().abs().square().sqrt().pow(2).toArray(), [
    [1, 4],
    [9, 16],
  ])
  assert.deepEqual(tensor([-3, 0.5, 9]).clamp(-1, 1).toArray(), [-1, 0.5, 1])
})

test('comparisons give 0 and 1', () => {
  const [x, y] = [tensor([1, 2, 3]), tensor([3, 2, 1])]
  const results = [x.eq(y), x.ne(y), x.lt(y), x.le(y), x.gt(y), x.ge(2)]
  assert.deepEqual(
    results.map((r) => r.toArray()),
    [
      [0, 1, 0],
      [1, 0, 1],
      [1, 0, 0],
      [1, 1, 0],
      [0, 0, 1],
      [0, 1, 1],
    ],
  )
  assert.deepEqual(where(x.gt(1), x, -1).toArray(), [-1, 2, 3])
})

test('reductions; max gives values and indices by name and by place', () => {
  const x = tensor([
    [1, 5, 2],
    [7, 3, 7],
  ])
  assert.equal(x.sum().item(), 25)
  assert.deepEqual(x.mean(0).toArray(), [4, 4, 4.5])
  assert.deepEqual(x.sum(0, true).toArray(), [[8, 8, 9]])
  assert.deepEqual(x.argmax(1).toArray(), [1, 0])
  const [values, indices] = max(x, 1)
  assert.deepEqual(
    [values.toArray(), indices.toArray()],
    [
      [5, 7],
      [1, 0],
    ],
  )
  assert.equal(x.max(1).indices.dtype, 'i32')
  assert.equal(max(x).item(), 7)
})

test('shapes: view, flatten, permute, slices, squeezes, expand', () => {
  const x = tensor(
    Float32Array.from({ length: 24 }, (_, i) => i),
    { shape: [2, 3, 4] },
  )
  assert.deepEqual([...x.view(2, -1).shape], [2, 12])
  assert.deepEqual([...x.view([4, 6]).shape], [4, 6])
  assert.deepEqual([...x.flatten(1).shape], [2, 12])
  assert.deepEqual([...x.permute(2, 0, 1).shape], [4, 2, 3])
  assert.deepEqual(x.transpose(0, 2).select(1).toArray(), [
    [1, 13],
    [5, 17],
    [9, 21],
  ])
  assert.deepEqual(x.narrow(2, 1, 2).select(-1).toArray(), [
    [13, 14],
    [17, 18],
    [21, 22],
  ])
  assert.deepEqual([...x.slice(1).shape], [1, 3, 4])
  assert.deepEqual([...x.slice(-1, 9).squeeze(0).shape], [3, 4])
  assert.deepEqual([...x.unsqueeze(-1).shape], [2, 3, 4, 1])
  assert.deepEqual([...tensor([[[1], [2]]]).squeeze().shape], [2])
  assert.deepEqual(
    tensor([[1], [2]])
      .expand(2, 2)
      .toArray(),
    [
      [1, 1],
      [2, 2],
    ],
  )
  assert.deepEqual(cat([tensor([[1]]), tensor([[2], [3]])]).toArray(), [[1], [2], [3]])
  assert.deepEqual(stack([tensor([1, 2]), tensor([3, 4])], 1).toArray(), [
    [1, 3],
    [2, 4],
  ])
  assert.throws(() => x.view(5, 5), /\[2, 3, 4\] has 24 values, which do not fill \[5, 5\]/)
  assert.throws(() => x.size(3), /dimension 3 is out of range/)
})

test('matmul', () => {
  const product = tensor([
    [1, 2],
    [3, 4],
  ]).matmul(tensor([[1], [10]]))
  assert.deepEqual(product.toArray(), [[21], [43]])
})

test('item() of several values, and overwriting what was computed, are told', () => {
  assert.throws(() => tensor([1, 2]).item(), /expects a tensor of 1 element, got \[2\]/)
  assert.equal(tensor([[7]]).item(), 7)
  assert.throws(() => tensor([1]).add(1).copy_([2]), /only leaves can be overwritten/)
  assert.throws(() => tensor([1, 2]).copy_([2]), /expects shape \[2\], got \[1\]/)
  assert.deepEqual(
    tensor([1, 2])
      .copy_(tensor([3, 4]))
      .toArray(),
    [3, 4],
  )
})

test('printing: gradients are mentioned', () => {
  const x = tensor([1, 2], { requiresGrad: true })
  assert.equal(String(x), 'tensor([1., 2.], requires_grad=True)')
  assert.equal(String(x.mul(2)), 'tensor([2., 4.], grad_fn=<MulBackward>)')
  assert.equal(String(x.data), 'tensor([1., 2.])')
})

test('copy_ changes nothing that was built on the old values', () => {
  const [x, weight, labels] = [
    tensor([[1, 1]]),
    tensor([
      [1, 2],
      [3, 4],
    ]),
    tensor([1], { dtype: 'i32' }),
  ]
  const out = F.linear(x, weight)
  const loss = F.crossEntropy(tensor([[0, 1]]), labels)
  x.copy_([0, 0])
  labels.copy_([0])
  assert.deepEqual([out.toArray(), x.toArray()], [[[3, 7]], [[0, 0]]])
  assert.ok(Math.abs(loss.item() - 0.31326) < 1e-4)
  const net = new nn.Linear(2, 1, { bias: false })
  const sum = net(tensor([[1, 2]])).sum()
  const input = tensor([[1, 1]])
  const other = net(input).sum()
  input.copy_([5, 5])
  other.add(sum).backward()
  assert.deepEqual(net.weight.grad?.toArray(), [[2, 3]])
})

test('a compiled step sees what copy_ writes into tensors that are no arguments', () => {
  const scale = tensor([2])
  const step = compileStep((x: Tensor) => [x.mul(scale)])
  for (let i = 1; i < 12; i++) {
    scale.copy_([i])
    assert.deepEqual(step(tensor([3]))[0]?.toArray(), [3 * i])
  }
  for (let i = 0; i < 8; i++) step(tensor([3]))
  scale.copy_([7])
  assert.deepEqual(step(tensor([3]))[0]?.toArray(), [21])
})
