/**
 * The nets that are measured, as data that every participant builds its own net of, and what a step of them costs.
 * Not here: anybody's net (workerOurs.node.ts, bench/), the deep nets' layers (deepNets.ts), or time.
 */
import { deepNets } from './deepNets.js'

/** The article's, which everybody can be measured on. */
export const articleNets = ['lenet', 'lenet1'] as const
export type ArticleNet = (typeof articleNets)[number]

export type NetName = ArticleNet | keyof typeof deepNets | 'lenet1at128'
export const netNames = [...articleNets, 'lenet1at128', ...Object.keys(deepNets)] as readonly NetName[]

export const isArticleNet = (net: string): net is ArticleNet => (articleNets as readonly string[]).includes(net)

export interface ConvSpec {
  readonly op: 'conv'
  readonly in: number
  readonly out: number
  readonly kernel: number
  readonly stride: number
  readonly groups: number
  /** Padded so that stride 1 keeps the size; else not at all. */
  readonly same: boolean
  /** Batch norm behind it, and no bias. */
  readonly norm: boolean
  readonly relu: boolean
  /** A 2×2 max-pool behind that. */
  readonly pool: boolean
}

/** Windows that overlap, say. */
interface PoolSpec {
  readonly op: 'maxPool'
  readonly kernel: number
  readonly stride: number
  readonly padding: number
}

/** Flat before the first linear, which a mean over each channel's pixels makes it too. */
export type LayerSpec =
  | ConvSpec
  | { readonly op: 'linear'; readonly in: number; readonly out: number; readonly relu: boolean }
  | { readonly op: 'mean' }
  | PoolSpec
  /** body(x) + down(x), or + x where there is no `down`. */
  | {
      readonly op: 'residual'
      readonly body: readonly LayerSpec[]
      readonly down: readonly LayerSpec[]
      readonly relu: boolean
    }

/** A convolution of the article's: no padding, relu. */
const conv = (from: number, out: number, kernel: number, pool: boolean): ConvSpec => ({
  op: 'conv',
  in: from,
  out,
  kernel,
  stride: 1,
  groups: 1,
  same: false,
  norm: false,
  relu: true,
  pool,
})
const linear = (from: number, out: number, relu: boolean): LayerSpec => ({ op: 'linear', in: from, out, relu })

const lenet = (w: number): LayerSpec[] => [
  conv(3, 6 * w, 5, true),
  conv(6 * w, 16 * w, 5, true),
  linear(400 * w, 120, true),
  linear(120, 84, true),
  linear(84, 10, false),
]

function lenet1(w: number, side: number): LayerSpec[] {
  const left = Math.floor((Math.floor((side - 2) / 2) - 2) / 2) - 2
  return [
    conv(3, 32 * w, 3, true),
    conv(32 * w, 64 * w, 3, true),
    conv(64 * w, 64 * w, 3, false),
    linear(left * left * 64 * w, 64, true),
    linear(64, 10, false),
  ]
}

/** Nets for pictures of 3 channels and 10 classes; the article's with `width` times their channels. */
export function layersOf(net: NetName, width = 1): readonly LayerSpec[] {
  if (net === 'lenet') return lenet(width)
  if (net === 'lenet1') return lenet1(width, 32)
  return net === 'lenet1at128' ? lenet1(1, 128) : deepNets[net].layers
}

/** Pixels along a side of its pictures, and pictures in a usual batch. */
export function usualInput(net: NetName): { readonly side: number; readonly batch: number } {
  if (isArticleNet(net)) return { side: 32, batch: 32 }
  return net === 'lenet1at128' ? { side: 128, batch: 32 } : deepNets[net]
}

interface Cost {
  /** Multiply-adds of a forward pass for one picture; only of outputs that a pool after them reads. */
  readonly macs: number
  /** Those of the first layer. */
  readonly first: number
  readonly side: number
}

function convCost({ kernel, stride, same, pool, in: from, out, groups }: ConvSpec, side: number): Cost {
  const padded = same ? side + kernel - 1 : side
  const size = Math.floor((padded - kernel) / stride) + 1
  const half = Math.floor(size / 2)
  const macs = (pool ? 2 * half : size) ** 2 * out * (from / groups) * kernel ** 2
  return { macs, first: macs, side: pool ? half : size }
}

function layerCost(layer: LayerSpec, side: number): Cost {
  if (layer.op === 'conv') return convCost(layer, side)
  if (layer.op === 'residual') {
    const [body, down] = [costOf(layer.body, side), costOf(layer.down, side)]
    return { macs: body.macs + down.macs, first: body.first, side: body.side }
  }
  if (layer.op === 'maxPool') {
    const { kernel, stride, padding } = layer
    return { macs: 0, first: 0, side: Math.floor((side + 2 * padding - kernel) / stride) + 1 }
  }
  const macs = layer.op === 'linear' ? layer.in * layer.out : 0
  return { macs, first: macs, side }
}

function costOf(layers: readonly LayerSpec[], side: number): Cost {
  const costs: Cost[] = []
  for (const layer of layers) costs.push(layerCost(layer, costs.at(-1)?.side ?? side))
  const macs = costs.reduce((total, cost) => total + cost.macs, 0)
  return { macs, first: costs[0]?.first ?? 0, side: costs.at(-1)?.side ?? side }
}

/** Floating-point operations of a forward pass over a batch, counted densely: two for a multiply-add. */
export const forwardFlops = (layers: readonly LayerSpec[], batch: number, side = 32): number =>
  2 * batch * costOf(layers, side).macs

/**
 * Floating-point operations of a training step, counted densely: forward, gradients of weights and of inputs, but none
 * of the pictures. What a participant skips (zeros, say) counts as done.
 */
export function stepFlops(layers: readonly LayerSpec[], batch: number, side = 32): number {
  const { macs, first } = costOf(layers, side)
  return 2 * batch * (3 * macs - first)
}
