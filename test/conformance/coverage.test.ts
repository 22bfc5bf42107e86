/** The case list is whole: every operation of the closed union is in some case's graph, and the fusions happen. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makePlan, wasmTarget } from '../../src/compiler/index.js'
import { computeTable } from '../../src/compiler/schedule/compute.js'
import { elementwiseOps, type Node } from '../../src/graph/index.js'
import { cases, nodesOf } from './cases.js'

/** Inputs before users. */
function orderOf(targets: readonly Node[]): Node[] {
  const order = new Set<Node>()
  const visit = (node: Node): void => {
    if (order.has(node)) return
    node.inputs.forEach(visit)
    order.add(node)
  }
  targets.forEach(visit)
  return [...order]
}

test('every operation is in a case', () => {
  const found = new Set(cases.flatMap(({ build }) => orderOf(nodesOf(build())).map(({ op }) => op)))
  // An assignment has no value: optimizers' tests run it.
  const all = [...Object.keys(computeTable), ...elementwiseOps]
  const missing = all.filter((op) => op !== 'assign' && !found.has(op as Node['op']))
  assert.deepEqual(missing, [])
})

/** The kernels of the plan for a case's output and gradients. */
function kernelsOf(name: string): string[] {
  const entry = cases.find((c) => c.name.startsWith(name))
  assert.ok(entry, name)
  const targets = nodesOf(entry.build())
  return makePlan(orderOf(targets), targets, wasmTarget).program.kernels.map((kernel) => kernel.name)
}

test('conv, bias, relu and max-pool are one kernel, and their gradient goes by its non-zeros', () => {
  const kernels = kernelsOf('conv 8×3×12×12')
  assert.ok(kernels.includes('conv2d+pool') && kernels.includes('non-zeros'), kernels.join())
  assert.ok(!kernels.some((name) => /^(conv2d|maxPool2d|map relu)$/.test(name)), kernels.join())
})

test('the gradient of a conv is dense where neither relu nor a max-pool is next to it', () => {
  for (const name of ['conv 33×5×7×11 → 20', 'conv 9×3×6×6 → 16', 'conv 6×2×5×6 → 3']) {
    const kernels = kernelsOf(name)
    assert.ok(kernels.includes('conv2dGradWeight') && !kernels.includes('non-zeros'), kernels.join())
  }
  // stride 3 has nine phases of pixels; with many channels 3 × 3 is transformed in both directions, and nothing is padded
  assert.equal(kernelsOf('conv 33×5×7×11 → 20').filter((name) => name === 'conv2dGradInput').length, 9)
  const transformed = kernelsOf('conv 33×16×8×9 → 18')
  assert.equal(transformed.filter((name) => name === 'winograd').length, 2)
  assert.ok(!transformed.includes('padLanes'), transformed.join())
})

test('an elementwise function behind a conv or a linear layer is part of its kernel', () => {
  const convTanh = kernelsOf('conv 6×2×5×6')
  assert.ok(!convTanh.some((name) => name.includes('tanh')), convTanh.join())
  const linearRelu = kernelsOf('linear 8×10 → 7 → 3: relu')
  assert.ok(!linearRelu.some((name) => name.includes('relu')), linearRelu.join())
})

test('so is one that looks at its value several times, if nobody else does', () => {
  const [output] = nodesOf(cases.find(({ name }) => name.endsWith('gelu'))!.build())
  assert.ok(output)
  const names = makePlan(orderOf([output]), [output], wasmTarget).program.kernels.map((kernel) => kernel.name)
  assert.ok(names.includes('conv2d') && !names.some((name) => name.startsWith('map')), names.join())
})

test('pictures gathered from bytes are normalised by a mean of all channels on the way', () => {
  const kernels = kernelsOf('gather 3×8×8, one mean')
  assert.equal(kernels[0], 'gatherRows')
  assert.ok(!kernels.some((name) => /div|sub|cast/.test(name)), kernels.join())
})

test('a normalisation by known statistics is part of the kernel before it, with relu and what is added', () => {
  for (const name of ['9×3×6×5×3', '5×16×4×6×16', '18×6×4', 'depthwise']) {
    const [output] = nodesOf(cases.find((c) => c.name === `batchNorm behind ${name}, eval`)!.build())
    assert.ok(output)
    const { kernels } = makePlan(orderOf([output]), [output], wasmTarget).program
    const maps = kernels.filter((kernel) => kernel.name.startsWith('map'))
    assert.ok(maps.every(({ units }) => 'count' in units) && maps.length <= 3, kernels.map((k) => k.name).join())
  }
})

test('batchNorm in training meets twice forward and twice backward', () => {
  const targets = nodesOf(cases.find(({ name }) => name === 'batchNorm of 7×3×4×5, train')!.build())
  const names = (some: readonly Node[]): string[] =>
    makePlan(orderOf(some), some, wasmTarget).program.kernels.map((kernel) => kernel.name)
  const forward = ['to lanes', 'moments of pictures', 'moments', 'map normalize']
  assert.deepEqual(names(targets.slice(0, 1)), forward)
  const { barriers } = makePlan(orderOf(targets), targets, wasmTarget).program
  assert.equal(barriers.filter(Boolean).length, 4, names(targets).join())
})
