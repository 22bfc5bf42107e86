/**
 * Deeper nets that are measured: residual, plain and depthwise ones with batch norms, ending in a mean over pixels.
 * Sources: He et al. 2016 (ResNet-18, -20, -50), Sandler et al. 2018 (MobileNetV2). Not here: what a layer is (nets.ts).
 */
import type { ConvSpec, LayerSpec } from './nets.js'

interface DeepNet {
  /** Pixels along a side, pictures in a batch. */
  readonly side: number
  readonly batch: number
  readonly layers: readonly LayerSpec[]
}

type More = Partial<Pick<ConvSpec, 'stride' | 'groups' | 'relu' | 'pool'>>

const normed = (from: number, out: number, kernel: number, more: More = {}): ConvSpec => ({
  op: 'conv',
  in: from,
  out,
  kernel,
  stride: 1,
  groups: 1,
  same: true,
  norm: true,
  relu: true,
  pool: false,
  ...more,
})

const depthwise = (channels: number, stride: number): ConvSpec =>
  normed(channels, channels, 3, { stride, groups: channels })

const end = (channels: number): LayerSpec[] => [{ op: 'mean' }, { op: 'linear', in: channels, out: 10, relu: false }]

function block(from: number, out: number, stride: number): LayerSpec {
  const body = [normed(from, out, 3, { stride }), normed(out, out, 3, { relu: false })]
  const down = stride === 1 && from === out ? [] : [normed(from, out, 1, { stride, relu: false })]
  return { op: 'residual', body, down, relu: true }
}

function resnet(widths: readonly number[], blocks: number): LayerSpec[] {
  let from = widths[0] ?? 1
  const layers: LayerSpec[] = [normed(3, from, 3)]
  widths.forEach((out, stage) => {
    for (let i = 0; i < blocks; i++, from = out) layers.push(block(from, out, i === 0 && stage > 0 ? 2 : 1))
  })
  return [...layers, ...end(from)]
}

function bottleneck(from: number, middle: number, stride: number): LayerSpec {
  const out = 4 * middle
  const body = [normed(from, middle, 1), normed(middle, middle, 3, { stride }), normed(middle, out, 1, { relu: false })]
  const down = stride === 1 && from === out ? [] : [normed(from, out, 1, { stride, relu: false })]
  return { op: 'residual', body, down, relu: true }
}

/** Channels within a block, blocks, and the first block's stride of each stage. */
const bottleneckStages = [
  [64, 3, 1],
  [128, 4, 2],
  [256, 6, 2],
  [512, 3, 2],
] as const

function resnet50(): LayerSpec[] {
  let from = 64
  const layers: LayerSpec[] = [normed(3, from, 7, { stride: 2 }), { op: 'maxPool', kernel: 3, stride: 2, padding: 1 }]
  for (const [middle, blocks, stride] of bottleneckStages)
    for (let i = 0; i < blocks; i++, from = 4 * middle) layers.push(bottleneck(from, middle, i === 0 ? stride : 1))
  return [...layers, ...end(from)]
}

function vgg(widths: readonly number[]): LayerSpec[] {
  const layers = widths.flatMap((out, i) => [normed(widths[i - 1] ?? 3, out, 3), normed(out, out, 3, { pool: true })])
  return [...layers, ...end(widths.at(-1) ?? 1)]
}

function separable(steps: readonly (readonly [out: number, stride: number])[]): LayerSpec[] {
  const blocks = steps.flatMap(([out, stride], i) => {
    const from = steps[i - 1]?.[0] ?? 32
    return [depthwise(from, stride), normed(from, out, 1)]
  })
  return [normed(3, 32, 3, { stride: 2 }), ...blocks, ...end(steps.at(-1)?.[0] ?? 32)]
}

function inverted(from: number, out: number, stride: number, expand: number): LayerSpec[] {
  const middle = from * expand
  const wide = expand > 1 ? [normed(from, middle, 1)] : []
  const body = [...wide, depthwise(middle, stride), normed(middle, out, 1, { relu: false })]
  return stride === 1 && from === out ? [{ op: 'residual', body, down: [], relu: false }] : body
}

/** Expansion, channels, blocks and the first block's stride of each stage. */
const mobileStages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const

function mobilenetV2(): LayerSpec[] {
  let from = 32
  const layers: LayerSpec[] = [normed(3, from, 3, { stride: 2 })]
  for (const [expand, out, blocks, stride] of mobileStages)
    for (let i = 0; i < blocks; i++, from = out) layers.push(...inverted(from, out, i === 0 ? stride : 1, expand))
  return [...layers, normed(from, 1280, 1), ...end(1280)]
}

const separableSteps = [
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
] as const

export const deepNets = {
  resnet20: { side: 32, batch: 128, layers: resnet([16, 32, 64], 3) },
  resnet18: { side: 32, batch: 32, layers: resnet([64, 128, 256, 512], 2) },
  vggbn64: { side: 64, batch: 32, layers: vgg([32, 64, 128]) },
  depthwise64: { side: 64, batch: 32, layers: separable(separableSteps) },
  mobilenet96: { side: 96, batch: 32, layers: mobilenetV2() },
  mobilenet224: { side: 224, batch: 32, layers: mobilenetV2() },
  resnet50: { side: 224, batch: 8, layers: resnet50() },
} as const satisfies Readonly<Record<string, DeepNet>>
