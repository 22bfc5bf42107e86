/**
 * conv2d of 3 × 3 by Winograd's F(2×2, 3×3): as near to exact sums as direct ones, the same bits at every width and
 * whatever is fused, and a NaN goes where it goes in a direct sum. Its gradients are those of every conv: agreement.test.ts.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import { makeFewPlan, makePlan } from '../../src/compiler/index.js'
import { createDevice, createInterpDevice, deviceInfo } from '../../src/device/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { runPlan } from './runPlan.js'

interface Conv {
  readonly x: Shape
  readonly O: number
  readonly padding: number
  readonly bias: boolean
}

/** Odd and even sizes, channels that fill no vector, one and several tiles in a row. */
const convs: readonly Conv[] = [
  { x: [5, 19, 9, 7], O: 13, padding: 0, bias: true },
  { x: [3, 16, 10, 11], O: 6, padding: 1, bias: false },
  { x: [18, 64, 6, 6], O: 9, padding: 0, bias: true },
  { x: [2, 33, 15, 4], O: 26, padding: 0, bias: true },
  { x: [1, 300, 6, 7], O: 5, padding: 0, bias: true },
  // so wide that a row of tiles is computed in parts: equal ones, and with a rest
  { x: [2, 160, 5, 31], O: 4, padding: 1, bias: true },
  { x: [1, 160, 4, 21], O: 3, padding: 2, bias: false },
]
const nameOf = ({ x, O, padding, bias }: Conv): string =>
  `${x.join('×')} → ${O}, padding ${padding}${bias ? '' : ', no bias'}`

const numbers = (seed: number, shape: Shape, low = -1): Float32Array =>
  new Generator(seed).uniform(new Float32Array(sizeOf(shape)), low, 1)

function build(conv: Conv, x = numbers(1, conv.x)): { y: Node; data: Float32Array[] } {
  const weightShape = [conv.O, conv.x[1] ?? 1, 3, 3]
  const data = [x, numbers(2, weightShape), conv.bias ? numbers(3, [conv.O]) : new Float32Array(conv.O)]
  const [input, weight, bias] = [conv.x, weightShape, [conv.O]].map((shape, i) => g.hostLeaf(data[i]!, shape, 'f32'))
  return { y: g.conv2d(input!, weight!, conv.bias ? bias : undefined, { stride: 1, padding: conv.padding }), data }
}

/** The same in doubles, term by term. */
function direct({ x, O, padding }: Conv, [image, weight, bias]: Float32Array[]): Float64Array {
  const [N = 1, C = 1, H = 1, W = 1] = x
  const [OH, OW] = [H + 2 * padding - 2, W + 2 * padding - 2]
  const out = new Float64Array(N * O * OH * OW)
  const pixel = (n: number, c: number, i: number, j: number): number =>
    i < 0 || j < 0 || i >= H || j >= W ? 0 : image![((n * C + c) * H + i) * W + j]!
  out.forEach((_, at) => {
    const [j, i, o, n] = [at % OW, Math.floor(at / OW) % OH, Math.floor(at / OW / OH) % O, Math.floor(at / OW / OH / O)]
    let sum = bias![o]!
    for (let c = 0; c < C; c++)
      for (let k = 0; k < 9; k++)
        sum += pixel(n, c, i + Math.floor(k / 3) - padding, j + (k % 3) - padding) * weight![(o * C + c) * 9 + k]!
    out[at] = sum
  })
  return out
}

test('which kernels are taken follows from the shape', () => {
  const kernelsOf = ({ y }: { y: Node }): string[] => {
    const order: Node[] = []
    const visit = (node: Node): void => {
      node.inputs.forEach(visit)
      order.push(node)
    }
    visit(y)
    const { program } = makePlan(order, [y], { lanes: 4, accumulators: 8 })
    return program.kernels.map(({ name }) => name).filter((name) => /conv|winograd/.test(name))
  }
  assert.deepEqual(kernelsOf(build({ x: [5, 19, 9, 7], O: 13, padding: 0, bias: true })), [
    'winogradWeights',
    'winograd',
  ])
  // few channels; tiles that would be half empty
  assert.deepEqual(kernelsOf(build({ x: [5, 3, 9, 7], O: 13, padding: 0, bias: true })), ['conv2d'])
  assert.deepEqual(kernelsOf(build({ x: [5, 19, 3, 3], O: 13, padding: 0, bias: true })), ['conv2d'])
})

describe('3 × 3 convs are as near to exact sums as direct ones', () => {
  for (const conv of convs)
    test(nameOf(conv), () => {
      const { y, data } = build(conv)
      const [found] = runPlan(createDevice('wasm'), [y])
      const wanted = direct(conv, data)
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      wanted.forEach((value, i) =>
        assert.ok(Math.abs(found![i]! - value) <= 1e-6 * largest, `${i}: ${found![i]}, ${value}`),
      )
    })
})

const behind: Record<string, (y: Node) => Node> = {
  nothing: (y) => y,
  'relu, scaled': (y) => g.mul(g.relu(y), 0.3),
  'relu, pool': (y) => g.maxPool2d(g.relu(y), 2),
  'tanh of a sum': (y) => g.tanh(g.add(y, g.hostLeaf(numbers(4, y.shape), y.shape, 'f32'))),
}
const skip = deviceInfo().fusedMultiplyAdd
  ? false
  : 'this machine has no fused multiply-add, so the last bits may differ'

describe('3 × 3 convs have the same bits at every width, with pictures or channels in lanes', { skip }, () => {
  for (const conv of convs)
    for (const [name, then] of Object.entries(behind))
      test(`${nameOf(conv)}: ${name}`, () => {
        const found = runPlan(createDevice('wasm'), [then(build(conv).y)])
        assert.deepEqual(runPlan(createDevice('wasm'), [then(build(conv).y)], makeFewPlan), found, 'picture by picture')
        for (const lanes of [4, 8, 16])
          for (const plan of [makePlan, makeFewPlan]) {
            const device = createInterpDevice({ lanes, checked: true })
            assert.deepEqual(runPlan(device, [then(build(conv).y)], plan), found, `${plan.name}, ${lanes} lanes`)
          }
      })
})

test('a pool has the same bits whether the conv before it is wanted too or not', () => {
  for (const conv of convs) {
    const { y } = build(conv)
    const pooled = g.maxPool2d(g.relu(y), 2)
    const [alone] = runPlan(createDevice('wasm'), [pooled])
    assert.deepEqual(runPlan(createDevice('wasm'), [y, pooled])[1], alone)
  }
})

test('a NaN reaches the results whose windows see it, and no others', () => {
  const conv: Conv = { x: [1, 16, 7, 8], O: 2, padding: 0, bias: true }
  for (const [row, column] of [
    [0, 0],
    [2, 3],
    [3, 4],
    [4, 1],
    [6, 7],
  ] as const) {
    const x = numbers(1, conv.x)
    x[(5 * 7 + row) * 8 + column] = NaN
    const [found] = runPlan(createDevice('wasm'), [build(conv, x).y])
    found!.forEach((value, at) => {
      const [i, j] = [Math.floor(at / 6) % 5, at % 6]
      const sees = row >= i && row < i + 3 && column >= j && column < j + 3
      assert.equal(Number.isNaN(value), sees, `${row},${column}: ${i},${j}`)
    })
  }
})
