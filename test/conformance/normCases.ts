/** Cases of normalisations: of channels over a batch, of pictures by themselves; behind layers. Not a test: see cases.ts. */
import type { Shape } from '../../src/base/index.js'
import * as g from '../../src/graph/index.js'
import type { Node } from '../../src/graph/index.js'
import { given, leaf, type Built, type Case } from './caseParts.js'

type Norm = (x: Node) => { readonly y: Node; readonly leaves: readonly Node[] }

/** Batch normalisation of training or of evaluation, with new parameters. */
const norm =
  (train: boolean): Norm =>
  (x) => {
    const C = x.shape[1] ?? 1
    const [weight, bias] = [leaf([C], 0.5, 1.5), leaf([C])]
    const parameters = { weight, bias, eps: 1e-5 }
    const known = (): Node => g.batchNormEval(x, given([C]), g.add(g.abs(given([C])), 0.5), parameters)
    return { y: train ? g.batchNormTrain(x, parameters).output : known(), leaves: [weight, bias] }
  }

function normalised(shape: Shape, train: boolean): Built {
  const x = leaf(shape)
  const { y, leaves } = norm(train)(g.batch(x))
  return { output: y, leaves: [x, ...leaves] }
}

/** A conv [O, C/groups, 3, 3] or linear layer, normalised, through relu; pictures besides where they are alike. */
function layerNormed(shape: Shape, O: number, train: boolean, groups = 1): Built {
  const [, C = 1, ...size] = shape
  const [x, weight] = [leaf(shape), leaf([O, C / groups, ...size.map(() => 3)])]
  const made = size.length > 0 ? g.conv2d(x, weight, undefined, { padding: 1, groups }) : g.linear(x, weight)
  const { y, leaves } = norm(train)(made)
  return { output: g.relu(O === C ? g.add(y, x) : y), leaves: [x, weight, ...leaves] }
}

export const norms: readonly Case[] = [true, false].flatMap((train) => {
  const mode = train ? 'train' : 'eval'
  const alone = [
    [7, 3, 4, 5],
    [8, 2, 3, 3],
    [33, 5],
    [9, 4, 7],
    [1, 3, 2, 3],
    [17, 2, 1, 1],
  ].map((shape) => ({
    name: `batchNorm of ${shape.join('×')}, ${mode}`,
    build: () => normalised(shape, train),
  }))
  const behind = (
    [
      [9, 3, 6, 5, 3],
      [5, 16, 4, 6, 16],
      [17, 16, 5, 5, 7],
      [18, 6, 4],
    ] as const
  ).map(([N, C, ...rest]) => ({
    name: `batchNorm behind ${[N, C, ...rest].join('×')}, ${mode}`,
    build: () => layerNormed([N, C, ...rest.slice(0, -1)], rest.at(-1) ?? 1, train),
  }))
  const depthwise = { name: `batchNorm behind depthwise, ${mode}`, build: () => layerNormed([9, 4, 5, 6], 8, train, 4) }
  return [...alone, ...behind, depthwise]
})

export function normalisedApart(groups: number): Built {
  const [x, weight, bias] = [leaf([5, 6, 3, 2]), leaf([6]), leaf([6])]
  const rows = g.groupNorm(x, groups, { weight, bias })
  return { output: g.layerNorm(rows, [6, 3, 2]), leaves: [x, weight, bias] }
}

/** Each picture by itself: in runs of channels, by channel, over all, over the last dimension. */
export const pictureNorms: readonly Case[] = [
  ...(
    [
      [[9, 6, 5, 3], 3],
      [[33, 4, 3, 3], 4],
      [[5, 3, 7, 1], 1],
      [[17, 6], 2],
      [[3, 4, 11], 2],
      [[2, 8, 1, 1], 4],
    ] as const
  ).map(([shape, groups]) => ({
    name: `groupNorm of ${shape.join('×')} in ${groups}`,
    build: () => pictureNormed(shape, (x, C) => g.groupNorm(x, groups, { weight: leaf([C]), bias: leaf([C]) })),
  })),
  { name: 'groupNorm alone', build: () => pictureNormed([9, 4, 3, 5], (x) => g.groupNorm(x, 2)) },
  {
    name: 'groupNorm without bias',
    build: () => pictureNormed([5, 3, 4, 5], (x, C) => g.groupNorm(x, 3, { weight: leaf([C]) })),
  },
  ...(
    [
      [[9, 3, 5, 4], 3],
      [[17, 7], 1],
      [[5, 4, 6], 1],
      [[2, 3, 4, 5], 2],
      [[4, 5, 1], 1],
    ] as const
  ).map(([shape, last]) => ({
    name: `layerNorm of ${shape.join('×')} over ${last}`,
    build: () => pictureNormed(shape, (x) => overLast(x, last)),
  })),
  { name: 'layerNorm alone', build: () => pictureNormed([9, 3, 5], (x) => g.layerNorm(x, [3, 5])) },
  { name: 'groupNorm behind a convolution, with a residual', build: groupNormedBlock },
]

/** Squared, so that the gradient of the normalised value is no constant. */
function pictureNormed(shape: Shape, norm: (x: Node, channels: number) => Node): Built {
  const output = norm(g.batch(leaf(shape)), shape[1] ?? 1)
  return { output: g.add(g.mul(output, output), output), leaves: leavesBelow(output) }
}

/** Leaves that want a gradient, in the order in which they were made. */
function leavesBelow(output: Node): Node[] {
  const all = new Set([output])
  for (const node of all) for (const input of node.inputs) all.add(input)
  return [...all].filter((node) => node.op === 'leaf' && node.requiresGrad).sort((a, b) => a.id - b.id)
}

function overLast(x: Node, last: number): Node {
  const shape = x.shape.slice(-last)
  return g.layerNorm(x, shape, { weight: leaf(shape), bias: leaf(shape) })
}

function groupNormedBlock(): Built {
  const [x, w, weight, bias] = [leaf([17, 6, 5, 5]), leaf([6, 6, 3, 3]), leaf([6]), leaf([6])]
  const y = g.groupNorm(g.conv2d(x, w, undefined, { padding: 1 }), 2, { weight, bias })
  return { output: g.relu(g.add(y, x)), leaves: [x, w, weight, bias] }
}
