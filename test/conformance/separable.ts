/** A small net of depthwise-separable blocks, as test/oracle/make/depthwise.py has it in PyTorch. Not a test. */
import { nn, type Layer } from '../../src/nn/index.js'

const normed = (i: number, o: number, kernel: number, stride = 1, groups = 1): Layer[] => [
  new nn.Conv2d(i, o, kernel, { stride, padding: (kernel - 1) / 2, groups, bias: false }),
  new nn.BatchNorm2d(o),
  new nn.ReLU(),
]

/** Input channels, output channels, kernel and stride of each block. */
const blocks = [
  [8, 12, 3, 1],
  [12, 16, 5, 2],
  [16, 16, 3, 2],
  [16, 24, 5, 1],
] as const

/** [N, 3, 32, 32] → [N, 10] */
export const separable = (): nn.Sequential =>
  new nn.Sequential(
    ...normed(3, 8, 3, 2),
    ...blocks.flatMap(([i, o, kernel, stride]) => [...normed(i, i, kernel, stride, i), ...normed(i, o, 1)]),
    new nn.AdaptiveAvgPool2d(1),
    new nn.Flatten(),
    new nn.Linear(24, 10),
  )
