/** Deep nets with tiny channels, as test/oracle/make/deep.py has them in PyTorch. Not a test. */
import { F, nn, optim, type Layer } from '../../src/nn/index.js'
import { cat, manualSeed, rand, tensor, type Tensor } from '../../src/tensor/index.js'

/** `count` blocks, then a linear layer, for pictures [3, 8, 8]. */
const stack = (count: number, make: (channels: number) => Layer[]): nn.Sequential =>
  new nn.Sequential(
    ...Array.from({ length: count }, (_, i) => make(i === 0 ? 3 : 4)).flat(),
    new nn.Flatten(),
    new nn.Linear(256, 10),
  )

export const batchNorms = (count: number): nn.Sequential =>
  stack(count, (c) => [new nn.Conv2d(c, 4, 3, { padding: 1 }), new nn.BatchNorm2d(4), new nn.ReLU()])

export const groupNorms = (count: number): nn.Sequential =>
  stack(count, (c) => [new nn.Conv2d(c, 4, 3, { padding: 1 }), new nn.GroupNorm(2, 4), new nn.SiLU()])

const separable = (count: number): nn.Sequential =>
  stack(count, (c) => [
    new nn.Conv2d(c, c, 3, { padding: 1, groups: c, bias: false }),
    new nn.BatchNorm2d(c),
    new nn.SiLU(),
    new nn.Conv2d(c, 4, 1),
    new nn.BatchNorm2d(4),
    new nn.SiLU(),
  ])

const normed = (i: number, o: number, kernel: number, stride: number, ...rest: Layer[]): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(i, o, kernel, { stride, padding: (kernel - 1) / 2, bias: false }),
    new nn.BatchNorm2d(o),
    ...rest,
  )

class Block extends nn.Module {
  readonly first: nn.Sequential
  readonly second: nn.Sequential
  readonly down: nn.Sequential | null

  constructor(i: number, o: number, stride: number) {
    super()
    this.first = normed(i, o, 3, stride, new nn.ReLU())
    this.second = normed(o, o, 3, 1)
    this.down = stride === 1 ? null : normed(i, o, 1, stride)
  }

  forward(x: Tensor): Tensor {
    return F.relu(this.second(this.first(x)).add(this.down ? this.down(x) : x))
  }
}

/** Three stages of `count` blocks: 6 · count + 2 layers. */
export function residual(count: number): nn.Sequential {
  const blocks = [4, 8, 16].flatMap((o, stage) =>
    Array.from({ length: count }, (_, j) => (j === 0 && stage > 0 ? new Block(o / 2, o, 2) : new Block(o, o, 1))),
  )
  const stem = normed(3, 4, 3, 1, new nn.ReLU())
  return new nn.Sequential(stem, ...blocks, new nn.AdaptiveAvgPool2d(1), new nn.Flatten(), new nn.Linear(16, 10))
}

/** A layer that puts `growth` channels behind those that it sees (Huang et al. 2017). */
class Growing extends nn.Module {
  readonly norm: nn.BatchNorm2d
  readonly conv: nn.Conv2d

  constructor(channels: number, growth: number) {
    super()
    this.norm = new nn.BatchNorm2d(channels)
    this.conv = new nn.Conv2d(channels, growth, 3, { padding: 1, bias: false })
  }

  forward(x: Tensor): Tensor {
    return cat([x, this.conv(F.relu(this.norm(x)))], 1)
  }
}

/** Stages of `count` layers, two channels each, with a transition and a pool between: for pictures [3, H, W]. */
export function dense(stages: number, count: number): nn.Sequential {
  const made: Layer[] = [new nn.Conv2d(3, 4, 3, { padding: 1, bias: false })]
  let channels = 4
  for (let stage = 0; stage < stages; stage++) {
    for (let i = 0; i < count; i++, channels += 2) made.push(new Growing(channels, 2))
    const half = channels >> 1
    if (stage < stages - 1) made.push(...transition(channels, half))
    if (stage < stages - 1) channels = half
  }
  return new nn.Sequential(
    ...made,
    new nn.BatchNorm2d(channels),
    new nn.ReLU(),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.Linear(channels, 10),
  )
}

const transition = (from: number, to: number): Layer[] => [
  new nn.BatchNorm2d(from),
  new nn.ReLU(),
  new nn.Conv2d(from, to, 1, { bias: false }),
  new nn.AvgPool2d(2),
]

type Parameters = ConstructorParameters<typeof optim.SGD>[0]

export const deepNets = {
  '12 batch norms': [() => batchNorms(12), (p: Parameters) => new optim.SGD(p, { lr: 0.001 })],
  '14 group norms': [() => groupNorms(14), (p: Parameters) => new optim.Adam(p, { lr: 0.001 })],
  '10 separable': [() => separable(10), (p: Parameters) => new optim.SGD(p, { lr: 0.001, momentum: 0.9 })],
  resnet20: [() => residual(3), (p: Parameters) => new optim.Adam(p, { lr: 0.001 })],
} as const

export type DeepNet = keyof typeof deepNets

/** A net and its batch, of seed 1. */
export function drawn(make: () => nn.Sequential): { net: nn.Sequential; x: Tensor; y: Tensor } {
  manualSeed(1)
  const net = make()
  return { net, x: rand([6, 3, 8, 8]), y: tensor([0, 1, 2, 3, 4, 5], { dtype: 'i32' }) }
}
