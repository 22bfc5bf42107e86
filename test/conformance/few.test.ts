/** Plans for few pictures, with vectors along channels, against ordinary plans with the batch in lanes: the same bits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Generator, sizeOf, type Shape } from '../../src/base/index.js'
import { makeFewPlan, suitsFew } from '../../src/compiler/index.js'
import { createDevice, createInterpDevice, deviceInfo, type Device } from '../../src/device/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { whyNoCompiler } from '../device/nativeTools.js'
import { randomGraph } from './randomGraph.js'
import { batchesOf, orderOf, runPlan } from './runPlan.js'

const skip = deviceInfo().fusedMultiplyAdd
  ? false
  : 'this machine has no fused multiply-add, so the last bits may differ'

const generator = new Generator(7)
const given = (shape: Shape, low = -1, high = 1): Node =>
  g.hostLeaf(generator.uniform(new Float32Array(sizeOf(shape)), low, high), shape, 'f32')
const conv = (x: Node, O: number, K: number, options: g.ConvOptions = {}): Node =>
  g.conv2d(x, given([O, x.shape[1] ?? 1, K, K]), given([O]), options)
const linear = (x: Node, O: number): Node => g.linear(x, given([O, x.shape[1] ?? 1], -0.2, 0.2), given([O]))
const flat = (x: Node): Node => g.flatten(x, 1)
const pool = (x: Node): Node => g.maxPool2d(x, 2)

function normalised(x: Node): Node {
  const [, C = 1] = x.shape
  const known = { weight: given([C]), bias: given([C]), eps: 1e-5 }
  return g.batchNormEval(x, given([C]), given([C], 0.5, 2), known)
}

const pictures = (N: number, shape: Shape): Node => given([N, ...shape])

/** Bytes gathered and normalised by channel. */
function gathered(N: number, shape: Shape): Node {
  const bytes = Uint8Array.from({ length: 9 * sizeOf(shape) }, () => generator.randomU32() & 255)
  const index = g.hostLeaf(
    Int32Array.from({ length: N }, (_, i) => (5 * i + 2) % 9),
    [N],
    'i32',
  )
  const x = g.div(g.cast(g.gatherRows(g.hostLeaf(bytes, [9, ...shape], 'u8'), index), 'f32'), 255)
  return g.div(g.sub(x, given([shape[0] ?? 1, 1, 1])), given([shape[0] ?? 1, 1, 1], 0.2, 1))
}

type Net = (N: number) => Node[]

const nets: Readonly<Record<string, Net>> = {
  LeNet(N) {
    const x = flat(pool(g.relu(conv(pool(g.relu(conv(pictures(N, [3, 16, 16]), 6, 5))), 16, 3))))
    const y = linear(g.relu(linear(x, 30)), 10)
    return [y, g.softmax(y, 1), g.argmax(y, 1)]
  },
  LeNet1(N) {
    const x = pool(g.relu(conv(pool(g.relu(conv(gathered(N, [3, 16, 16]), 32, 3))), 40, 3)))
    return [g.logSoftmax(linear(g.relu(linear(flat(g.relu(conv(x, 24, 2))), 12)), 3), 1)]
  },
  'padding, stride, batchNorm, average pool'(N) {
    const x = g.relu(normalised(conv(pictures(N, [5, 11, 9]), 20, 3, { padding: 1 })))
    const y = g.tanh(normalised(conv(x, 7, 3, { stride: 2, padding: [1, 0] })))
    const z = g.avgPool2d(y, 2, { stride: 1, padding: 1, countIncludePad: false })
    return [linear(flat(g.avgPool2d(z, 3)), 4), g.sum(y, [2, 3])]
  },
  'residual, overlapping pools'(N) {
    const x = conv(pictures(N, [4, 8, 8]), 8, 3, { padding: 1 })
    const y = g.relu(g.add(x, conv(g.relu(x), 8, 3, { padding: 1 })))
    const z = g.maxPool2d(y, 3, { stride: 2, padding: 1 })
    return [linear(flat(z), 5), z, g.mean(y, [2, 3])]
  },
  'pool before, activation after flatten'(N) {
    const x = conv(g.maxPool2d(pictures(N, [3, 9, 8]), 3), 5, 2, { stride: [1, 2] })
    return [linear(g.sigmoid(g.mul(flat(x), 0.5)), 6)]
  },
  'depthwise, inverted residual'(N) {
    const depthwise = (x: Node, K: number, options: g.ConvOptions): Node => {
      const [, C = 1] = x.shape
      return g.conv2d(x, given([C, 1, K, K]), given([C]), { ...options, groups: C })
    }
    const x = g.relu(normalised(conv(pictures(N, [3, 13, 10]), 5, 3, { stride: 2, padding: 1 })))
    const wide = g.relu(normalised(conv(x, 19, 1)))
    const y = g.add(x, normalised(conv(g.relu(normalised(depthwise(wide, 3, { padding: 1 }))), 5, 1)))
    const z = g.silu(depthwise(conv(y, 33, 1), 5, { stride: 2, padding: 2 }))
    return [linear(g.mean(z, [2, 3]), 4), g.sum(z), depthwise(pictures(N, [6, 7, 9]), 3, { padding: 4, dilation: 2 })]
  },
  'dilation, and groups of one channel without bias'(N) {
    const x = conv(pictures(N, [4, 9, 8]), 18, 3, { dilation: [2, 1], padding: [1, 2], stride: [1, 2] })
    const y = conv(g.relu(x), 6, 3, { dilation: 2, padding: 2 })
    const z = g.conv2d(y, given([6, 1, 2, 4]), undefined, { groups: 6, stride: [1, 3], padding: [0, 4] })
    return [g.maxPool2d(g.relu(z), 2), y, g.sum(y, 0)]
  },
  'norms of pictures'(N) {
    const x = g.groupNorm(conv(pictures(N, [3, 9, 8]), 6, 3), 3, { weight: given([6]), bias: given([6]) })
    const y = g.groupNorm(conv(g.silu(x), 5, 1), 5)
    const z = g.layerNorm(conv(y, 4, 2), [4, 6, 5], { weight: given([4, 6, 5]), bias: given([4, 6, 5]) })
    const last = g.layerNorm(g.permute(z, [0, 2, 3, 1]), [4], { bias: given([4]) })
    return [linear(flat(last), 5), y]
  },
  'Winograd with padding, residuals in front of activations and pools'(N) {
    const x = g.relu(conv(pictures(N, [5, 9, 10]), 16, 3, { padding: 1 }))
    const y = normalised(conv(x, 18, 3, { padding: 1 }))
    const z = g.relu(g.add(normalised(conv(g.relu(y), 18, 3, { padding: 1 })), normalised(conv(x, 18, 1))))
    const w = pool(g.relu(g.add(conv(z, 18, 1), z)))
    const v = g.add(conv(w, 20, 3, { padding: 2 }), given([20, 1, 1]))
    return [v, g.mean(v, [2, 3], true), linear(g.add(linear(g.mean(z, [2, 3]), 18), g.mean(z, [2, 3])), 4)]
  },
  'elementwise between layers, pixels in a row'(N) {
    const x = g.silu(conv(pictures(N, [3, 7, 6]), 9, 3))
    const y = conv(g.mul(x, g.sigmoid(x)), 33, 1)
    return [g.mean(g.tanh(y), [2, 3]), g.sum(y, [3]), conv(g.add(y, 1), 5, 1)]
  },
  'no bias, one channel'(N) {
    const x = g.conv2d(pictures(N, [1, 6, 6]), given([3, 1, 3, 3]))
    return [g.linear(flat(pool(x)), given([2, 12])), x]
  },
}

/** Threads share each picture. */
const makeCutPlan: typeof makeFewPlan = (order, targets, target) => makeFewPlan(order, targets, target, true)

function agree(name: string, device: () => Device, few: () => Device, make: () => Node[]): void {
  const targets = make()
  assert.ok(suitsFew(orderOf(targets), targets), name)
  const wanted = runPlan(device(), targets)
  assert.deepEqual(runPlan(few(), targets, makeFewPlan), wanted, name)
  assert.deepEqual(runPlan(few(), targets, makeCutPlan), wanted, `${name}, cut`)
}

for (const [name, net] of Object.entries(nets))
  test(`few pictures: ${name}`, { skip }, () => {
    for (const N of [1, 2, 3, 7]) {
      const wasm = createDevice('wasm')
      const all = [wasm, ...[4, 8, 16].map((lanes) => createInterpDevice({ lanes, checked: true }))]
      for (const device of all)
        agree(
          `${device.name}, ${N}`,
          () => wasm,
          () => device,
          () => net(N),
        )
    }
  })

for (const [name, net] of Object.entries(nets))
  test(`few pictures, shared by a team: ${name}`, { skip }, () => {
    for (const threads of [2, 3])
      for (const lanes of [4, 8])
        agree(
          `${threads} threads, ${lanes} lanes`,
          () => createDevice('wasm'),
          () => createInterpDevice({ lanes, threads }),
          () => net(2),
        )
  })

/** Parts of random graphs that have such a plan, each by itself. */
function randomParts(seed: number): Node[] {
  const all = orderOf(randomGraph(seed).slice(0, 1)).filter(({ storage, op }) => !storage && op !== 'const')
  return all.filter((node) => batchesOf([node]).size <= 1 && suitsFew(orderOf([node]), [node])).slice(-2)
}

test('few pictures: random graphs', { skip }, () => {
  let [compared, seed] = [0, 0]
  while (compared < 150) {
    const wasm = createDevice('wasm')
    for (const end = seed + 50; seed < end; seed++)
      for (const node of randomParts(seed + 1)) {
        const device = createInterpDevice({ lanes: [4, 8, 16][seed % 3] ?? 4, checked: true })
        agree(
          `seed ${seed + 1}`,
          () => wasm,
          () => device,
          () => [node],
        )
        compared++
      }
  }
})

test('few pictures: native code', { skip: skip || whyNoCompiler() }, () => {
  const [native, wasm] = [createDevice('native', { threads: 1 }), createDevice('wasm')]
  for (const [name, net] of Object.entries(nets))
    agree(
      name,
      () => wasm,
      () => native,
      () => net(3),
    )
})
