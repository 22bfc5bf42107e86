/** Pooling. Not here: the pools themselves (nn's F). */
import { F } from '../../nn/index.js'
import { cat, fromArray, ops, Tensor } from '../../tensor/index.js'
import { expectOptions, isPicture, Layer, type Config, type LayerOptions, type Spec } from '../layer.js'
import { geometry, paddingOf, pairOf, type Geometry, type Padding, type Pair, type Size2 } from './window.js'

export interface PoolingOptions extends LayerOptions {
  /** A number, or [height, width]; default 2. */
  readonly poolSize?: Size2
  /** Default: the pool's size. */
  readonly strides?: Size2 | null
  /** 'valid' (default) or 'same'. */
  readonly padding?: Padding
}

abstract class Pooling2D extends Layer {
  readonly poolSize: Pair
  readonly strides: Pair
  readonly padding: Padding
  #geometry: Geometry | null = null

  constructor(options: PoolingOptions) {
    super(options)
    const what = this.className
    expectOptions(what, options, ['poolSize', 'strides', 'padding'])
    this.poolSize = pairOf(what, 'poolSize', options.poolSize ?? 2)
    this.strides = pairOf(what, 'strides', options.strides ?? this.poolSize)
    this.padding = paddingOf(what, options.padding ?? 'valid')
  }

  protected setUp(input: Spec) {
    if (!isPicture(input)) throw this.misfit(`ndim=4, found ndim=${input.sizes.length + 1}`, input)
    this.#geometry = geometry(`layer '${this.name}'`, input.sizes, this.poolSize, this.strides, this.padding)
    return { output: { sizes: [...this.#geometry.out, input.sizes[2] ?? 0], flatOf: null } }
  }

  protected get geometry(): Geometry {
    if (!this.#geometry) throw this.notBuilt()
    return this.#geometry
  }

  protected override get savesBuild(): boolean {
    return false
  }

  protected ownConfig(): Config {
    const { poolSize, padding, strides } = this
    return { pool_size: poolSize, padding, strides, data_format: 'channels_last' }
  }
}

/** `count` copies of the last row or column after it: they never win against it. */
function repeatEdge(x: Tensor, dim: 2 | 3, count: number): Tensor {
  if (count <= 0) return x
  const edge = x.narrow(dim, x.size(dim) - 1, 1)
  return cat([x, ...Array<Tensor>(count).fill(edge)], dim)
}

/** The largest value of each window. Source: keras.layers.MaxPooling2D. */
export class MaxPooling2D extends Pooling2D {
  call(x: Tensor): Tensor {
    const { before, after } = this.geometry
    const more = (i: 0 | 1): number => after[i] - before[i]
    const padded = repeatEdge(repeatEdge(x, 2, more(0)), 3, more(1))
    return F.maxPool2d(padded, this.poolSize, { stride: this.strides, padding: before })
  }
}

/** The mean of each window; padding does not count. Source: keras.layers.AveragePooling2D. */
export class AveragePooling2D extends Pooling2D {
  call(x: Tensor): Tensor {
    const { before, after } = this.geometry
    const { poolSize, strides } = this
    if (before[0] === after[0] && before[1] === after[1])
      return F.avgPool2d(x, poolSize, { stride: strides, padding: before, countIncludePad: false })
    const zeros = [0, 0] as const
    const padded = new Tensor(ops.pad(x.node, [...zeros, ...before], [...zeros, ...after]))
    return F.avgPool2d(padded, poolSize, { stride: strides }).mul(this.#shares(x))
  }

  /** [OH, OW]: the window's size over how much of it lies on the picture. */
  #shares(x: Tensor): Tensor {
    const { out, before } = this.geometry
    const { poolSize, strides } = this
    const real = (i: 0 | 1, o: number): number => {
      const start = o * strides[i] - before[i]
      return Math.min(start + poolSize[i], x.size(i + 2)) - Math.max(start, 0)
    }
    const whole = poolSize[0] * poolSize[1]
    const shares = Float32Array.from({ length: out[0] * out[1] }, (_, i) => {
      return whole / (real(0, Math.floor(i / out[1])) * real(1, i % out[1]))
    })
    return fromArray(shares, out, 'f32')
  }
}

export interface GlobalPoolingOptions extends LayerOptions {
  /** [N, 1, 1, C] instead of [N, C]; default false. */
  readonly keepdims?: boolean
}

/** One value a channel: [N, H, W, C] → [N, C]. */
abstract class GlobalPooling2D extends Layer {
  protected readonly keepdims: boolean

  constructor(options: GlobalPoolingOptions = {}) {
    super(options)
    expectOptions(this.className, options, ['keepdims'])
    this.keepdims = options.keepdims ?? false
  }

  protected setUp(input: Spec) {
    if (!isPicture(input)) throw this.misfit(`ndim=4, found ndim=${input.sizes.length + 1}`, input)
    const channels = input.sizes[2] ?? 0
    return { output: { sizes: this.keepdims ? [1, 1, channels] : [channels], flatOf: null } }
  }

  protected override get savesBuild(): boolean {
    return false
  }

  protected ownConfig(): Config {
    return { data_format: 'channels_last', keepdims: this.keepdims }
  }
}

/** The mean of each channel. Source: keras.layers.GlobalAveragePooling2D. */
export class GlobalAveragePooling2D extends GlobalPooling2D {
  call(x: Tensor): Tensor {
    return x.mean([2, 3], this.keepdims)
  }
}

/** The largest value of each channel. Source: keras.layers.GlobalMaxPooling2D. */
export class GlobalMaxPooling2D extends GlobalPooling2D {
  call(x: Tensor): Tensor {
    return x.amax([2, 3], this.keepdims)
  }
}
