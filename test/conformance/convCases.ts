/** Cases of convolutions: every fusion, stride, border and remainder; in groups, depthwise, dilated. Not a test: see cases.ts. */
import * as g from '../../src/graph/index.js'
import { given, leaf, type Behind, type Built, type Case } from './caseParts.js'

interface ConvShape {
  readonly N: number
  readonly C: number
  readonly H: number
  readonly W: number
  readonly O: number
  readonly K: number | readonly [number, number]
  readonly stride?: g.Size2
  readonly padding?: g.Size2
}

/** A conv on an input that wants a gradient, and what comes behind it. */
function conv(name: string, s: ConvShape, behind: Behind): Case {
  const build = (): Built => {
    const x = leaf([s.N, s.C, s.H, s.W])
    const [kH, kW] = typeof s.K === 'number' ? [s.K, s.K] : s.K
    const [weight, bias] = [leaf([s.O, s.C, kH, kW]), leaf([s.O])]
    const y = g.conv2d(x, weight, bias, { stride: s.stride ?? 1, padding: s.padding ?? 0 })
    return { output: behind(y), leaves: [x, weight, bias] }
  }
  const { N, C, H, W, O, K, stride = 1, padding = 0 } = s
  return {
    name: `conv ${N}×${C}×${H}×${W} → ${O}, ${typeof K === 'number' ? `${K}×${K}` : K.join('×')}, stride ${stride.toString()}, padding ${padding.toString()}: ${name}`,
    build,
  }
}

export const pool: Behind = (y) => g.maxPool2d(g.relu(y), 2)
export const relu: Behind = (y) => g.relu(y)

export const convs: readonly Case[] = [
  conv('relu, pool', { N: 8, C: 3, H: 12, W: 12, O: 6, K: 5 }, pool),
  conv('relu, pool, odd sizes', { N: 3, C: 1, H: 9, W: 11, O: 5, K: 3 }, pool),
  conv('relu, pool', { N: 17, C: 6, H: 8, W: 8, O: 3, K: 5 }, pool),
  conv('relu, pool, many channels', { N: 4, C: 20, H: 7, W: 6, O: 4, K: 3 }, pool),
  conv('pool alone', { N: 5, C: 2, H: 6, W: 6, O: 2, K: 3 }, (y) => g.maxPool2d(y, 2)),
  conv('relu, pool', { N: 2, C: 3, H: 8, W: 8, O: 4, K: 3, padding: 1 }, pool),
  conv('relu, pool', { N: 2, C: 5, H: 11, W: 9, O: 7, K: 3, stride: 2, padding: 1 }, pool),
  conv('relu', { N: 1, C: 5, H: 7, W: 5, O: 3, K: 3 }, relu),
  conv('relu', { N: 9, C: 16, H: 4, W: 4, O: 8, K: 1 }, relu),
  conv('relu', { N: 4, C: 3, H: 9, W: 9, O: 4, K: 3, stride: 2 }, relu),
  conv('tanh', { N: 6, C: 2, H: 5, W: 6, O: 3, K: 2 }, (y) => g.tanh(y)),
  conv('relu, overlapping pool', { N: 3, C: 2, H: 8, W: 8, O: 3, K: 2 }, (y) =>
    g.maxPool2d(g.relu(y), 3, { stride: 2 }),
  ),
  conv('relu, pool of 3', { N: 3, C: 2, H: 8, W: 8, O: 3, K: 3 }, (y) => g.maxPool2d(g.relu(y), 3)),
  conv('average pool', { N: 3, C: 4, H: 6, W: 6, O: 5, K: 3 }, (y) => g.avgPool2d(y, 2)),
  conv('relu, other shape, scaled', { N: 5, C: 2, H: 6, W: 6, O: 3, K: 3 }, (y) =>
    g.mul(g.reshape(g.relu(y), [5, -1]), 0.5),
  ),
  conv('a sum by channel, other shape, scaled', { N: 5, C: 2, H: 6, W: 6, O: 3, K: 3 }, (y) =>
    g.exp(g.reshape(g.add(y, given([3, 1, 1])), [5, 8, 6])),
  ),
  conv('relu, padded above only', { N: 4, C: 1, H: 5, W: 4, O: 2, K: 3, padding: [1, 0] }, relu),
  conv('relu, pool, padded at the sides only', { N: 9, C: 5, H: 5, W: 6, O: 3, K: 3, padding: [0, 1] }, pool),
  conv('relu, pool', { N: 1, C: 16, H: 8, W: 8, O: 5, K: 5 }, pool),
  conv('relu, pool, stride by direction', { N: 8, C: 3, H: 9, W: 10, O: 16, K: 3, stride: [1, 2] }, pool),
  conv('relu, pool with padding', { N: 3, C: 2, H: 7, W: 7, O: 3, K: 3 }, (y) =>
    g.maxPool2d(g.relu(y), 3, { stride: 2, padding: 1 }),
  ),
  conv('gelu', { N: 5, C: 3, H: 6, W: 5, O: 4, K: 3 }, (y) => g.gelu(y)),
  conv('used twice', { N: 3, C: 2, H: 6, W: 6, O: 2, K: 3 }, (y) => g.add(g.relu(y), g.mul(y, y))),
]

const plain: Behind = (y) => y

/** Behind none of these is anything zero. */
export const denseConvs: readonly Case[] = [
  conv('dense', { N: 5, C: 3, H: 9, W: 8, O: 5, K: 3, padding: 1 }, plain),
  conv('dense', { N: 33, C: 16, H: 8, W: 9, O: 18, K: 3, padding: 1 }, plain),
  conv('dense', { N: 17, C: 16, H: 4, W: 4, O: 16, K: 3, padding: 1 }, plain),
  conv('dense, sums of both', { N: 5, C: 17, H: 6, W: 6, O: 16, K: 3, padding: 2 }, (y) => g.tanh(y)),
  conv('dense', { N: 5, C: 4, H: 9, W: 8, O: 6, K: 3, stride: 2, padding: 1 }, plain),
  conv('dense', { N: 33, C: 5, H: 7, W: 11, O: 20, K: 3, stride: 3 }, plain),
  conv('dense', { N: 1, C: 6, H: 5, W: 7, O: 10, K: 1 }, plain),
  conv('dense', { N: 17, C: 6, H: 9, W: 9, O: 8, K: 1 }, plain),
  conv('dense', { N: 5, C: 7, H: 9, W: 6, O: 9, K: 1, stride: 2 }, plain),
  conv('dense, nothing but padding at the edge', { N: 2, C: 2, H: 5, W: 4, O: 3, K: 1, stride: 2, padding: 2 }, plain),
  conv('dense', { N: 9, C: 2, H: 6, W: 7, O: 3, K: 2, stride: [1, 2], padding: [1, 0] }, plain),
  conv('dense', { N: 5, C: 2, H: 12, W: 11, O: 3, K: 5, stride: 2, padding: 2 }, plain),
  conv('dense', { N: 3, C: 3, H: 15, W: 13, O: 4, K: 7, stride: 2, padding: 3 }, plain),
  conv('dense', { N: 2, C: 1, H: 12, W: 30, O: 2, K: [2, 26], padding: [0, 3] }, plain),
  conv('dense', { N: 18, C: 3, H: 8, W: 9, O: 13, K: [3, 1], padding: [1, 0] }, plain),
  conv('dense', { N: 4, C: 20, H: 7, W: 8, O: 3, K: [1, 5], padding: [0, 4], stride: [2, 1] }, plain),
  conv('dense, many channels that lie powers of two apart', { N: 9, C: 40, H: 16, W: 16, O: 24, K: 1 }, plain),
  conv('dense, wide', { N: 2, C: 16, H: 5, W: 37, O: 80, K: 3, padding: 1 }, plain),
  conv('dense, then a pool behind a norm', { N: 9, C: 3, H: 6, W: 6, O: 16, K: 3, padding: 1 }, (y) =>
    g.maxPool2d(g.relu(g.batchNormTrain(y, { weight: leaf([16]), bias: leaf([16]), eps: 1e-5 }).output), 2),
  ),
  conv('its gradient added to another', { N: 5, C: 3, H: 6, W: 6, O: 3, K: 3, padding: 1 }, (y) =>
    g.relu(g.add(g.mul(y, y), given(y.shape))),
  ),
]

type Slide = Omit<g.ConvOptions, 'padding'> & { readonly padding?: g.Size2 | 'same' }

/** x [N, C, H, W], O output channels, kernel kH × kW. */
function grouped(sizes: readonly number[], slide: Slide, behind: Behind): Case {
  const [N = 1, C = 1, H = 1, W = 1, O = 1, kH = 1, kW = 1] = sizes
  const build = (): Built => {
    const [x, weight, bias] = [leaf([N, C, H, W]), leaf([O, C / (slide.groups ?? 1), kH, kW]), leaf([O])]
    return { output: behind(g.conv2d(x, weight, bias, slide)), leaves: [x, weight, bias] }
  }
  return { name: `conv in groups ${sizes.join('×')} ${JSON.stringify(slide)}`, build }
}

export const groupedConvs: readonly Case[] = [
  grouped([5, 4, 7, 6, 4, 3, 3], { groups: 4, padding: 1 }, relu),
  grouped([9, 3, 8, 9, 6, 3, 3], { groups: 3, stride: 2, padding: 1 }, pool),
  grouped([17, 6, 6, 5, 9, 2, 3], { groups: 3 }, relu),
  grouped([4, 20, 5, 5, 10, 3, 3], { groups: 2, padding: 'same' }, (y) => g.silu(y)),
  grouped([3, 3, 9, 11, 5, 3, 3], { dilation: 2 }, pool),
  grouped([8, 2, 9, 10, 3, 3, 2], { dilation: [1, 3], stride: [2, 1], padding: [2, 3] }, relu),
  grouped([1, 8, 12, 12, 8, 5, 5], { groups: 8, dilation: 2, padding: 'same' }, (y) => g.add(g.relu(y), y)),
  grouped([2, 4, 5, 5, 4, 1, 1], { groups: 4, stride: 2, padding: 2 }, relu),
  grouped([3, 2, 6, 7, 3, 2, 4], { padding: 'same' }, pool),
]

/** N pictures of C channels, each channel its own kernel. */
const depthwise = (sizes: readonly number[], slide: Slide, behind: Behind = relu): Case => {
  const [N = 1, C = 1, H = 1, W = 1, kH = 1, kW = 1] = sizes
  return grouped([N, C, H, W, C, kH, kW], { ...slide, groups: C }, behind)
}

/** Batches, odd sizes, every border: none, narrow, as wide as the kernel; strides that leave rows over. */
export const depthwiseConvs: readonly Case[] = [
  depthwise([1, 5, 17, 19, 3, 3], { padding: 1 }),
  depthwise([33, 3, 9, 8, 3, 3], { padding: 1 }, (y) => g.silu(y)),
  depthwise([5, 4, 20, 21, 3, 3], { padding: 1, stride: 2 }),
  depthwise([33, 2, 10, 16, 3, 3], { padding: 1, stride: 2 }, (y) => g.add(g.relu(y), y)),
  depthwise([1, 3, 18, 27, 5, 5], { padding: 2 }),
  depthwise([5, 2, 19, 22, 5, 5], { padding: 2, stride: 2 }),
  depthwise([5, 3, 12, 13, 3, 3], {}),
  depthwise([5, 3, 12, 13, 3, 3], { padding: 3, stride: 2 }),
  depthwise([4, 2, 4, 25, 5, 5], { padding: [5, 0], stride: [2, 1] }),
  depthwise([3, 2, 11, 12, 3, 3], { padding: [0, 1], stride: 3 }),
  depthwise([2, 3, 7, 40, 1, 9], { padding: [0, 4] }),
  depthwise([3, 2, 3, 2, 5, 5], { padding: 2 }),
  depthwise([2, 2, 1, 1, 3, 3], { padding: 1, stride: 2 }),
  depthwise([3, 2, 9, 9, 2, 2], { stride: 4, padding: 2 }),
  depthwise([2, 2, 13, 26, 3, 3], { padding: 2, stride: 2, dilation: 2 }),
  depthwise([2, 2, 14, 15, 3, 3], { padding: 3, stride: 2, dilation: 3 }),
  depthwise([2, 2, 9, 17, 11, 7], { padding: [5, 3] }),
]
