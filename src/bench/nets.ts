/**
 * The nets that are measured, as data that every participant builds its own net of, and what a step of them costs.
 * Not here: anybody's net (workerOurs.node.ts, bench/), or time.
 */

export const netNames = ['lenet', 'lenet1'] as const
export type NetName = (typeof netNames)[number]

/** Convolutions have stride 1, no padding and a relu; `pool`: a 2×2 max-pool follows. Flat before the first linear. */
export type LayerSpec =
  | { readonly op: 'conv'; readonly in: number; readonly out: number; readonly kernel: number; readonly pool: boolean }
  | { readonly op: 'linear'; readonly in: number; readonly out: number; readonly relu: boolean }

const conv = (from: number, out: number, kernel: number, pool: boolean): LayerSpec => ({
  op: 'conv',
  in: from,
  out,
  kernel,
  pool,
})
const linear = (from: number, out: number, relu: boolean): LayerSpec => ({ op: 'linear', in: from, out, relu })

/** The article's nets for pictures of 3×32×32 and 10 classes, with `width` times their channels. */
export function layersOf(net: NetName, width = 1): LayerSpec[] {
  const w = width
  if (net === 'lenet')
    return [
      conv(3, 6 * w, 5, true),
      conv(6 * w, 16 * w, 5, true),
      linear(400 * w, 120, true),
      linear(120, 84, true),
      linear(84, 10, false),
    ]
  return [
    conv(3, 32 * w, 3, true),
    conv(32 * w, 64 * w, 3, true),
    conv(64 * w, 64 * w, 3, false),
    linear(1024 * w, 64, true),
    linear(64, 10, false),
  ]
}

/** Multiply-adds of each layer's forward pass for one picture, in order; only of outputs that a pool after it reads. */
function layerMacs(layers: readonly LayerSpec[]): number[] {
  let side = 32
  return layers.map((layer) => {
    if (layer.op === 'linear') return layer.in * layer.out
    side -= layer.kernel - 1
    const half = Math.floor(side / 2)
    const read = layer.pool ? 2 * half : side
    if (layer.pool) side = half
    return read ** 2 * layer.out * layer.in * layer.kernel ** 2
  })
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Floating-point operations of a forward pass over a batch, counted densely: two for a multiply-add. */
export const forwardFlops = (layers: readonly LayerSpec[], batch: number): number => 2 * batch * sum(layerMacs(layers))

/**
 * Floating-point operations of a training step, counted densely: forward, gradients of weights and of inputs, but none
 * of the pictures. What a participant skips (zeros, say) counts as done.
 */
export function stepFlops(layers: readonly LayerSpec[], batch: number): number {
  const macs = layerMacs(layers)
  return 2 * batch * (3 * sum(macs) - (macs[0] ?? 0))
}
