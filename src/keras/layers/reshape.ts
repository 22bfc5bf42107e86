/** Layers that move values and compute nothing: Flatten, Reshape, Permute, ZeroPadding2D, Cropping2D. */
import { LenetError, sizeOf, UsageError, type Shape } from '../../base/index.js'
import { F } from '../../nn/index.js'
import type { Tensor } from '../../tensor/index.js'
import { expectOptions, isPicture, Layer, showBatch, type Config, type LayerOptions, type Spec } from '../layer.js'
import { inward, outward } from '../order.js'

/** All dimensions but the batch become one, in Keras' order for everything outside. Source: keras.layers.Flatten. */
export class Flatten extends Layer {
  constructor(options: LayerOptions = {}) {
    super(options)
    expectOptions('flatten', options, [])
  }

  protected setUp(input: Spec) {
    const [height = 1, width = 1, channels = 1] = input.sizes
    const isMixed = isPicture(input) && height * width > 1 && channels > 1
    return { output: { sizes: [sizeOf(input.sizes)], flatOf: isMixed ? input.sizes : input.flatOf } }
  }

  call(x: Tensor): Tensor {
    return x.flatten(1)
  }

  protected ownConfig(): Config {
    return { data_format: 'channels_last' }
  }
}

export interface ReshapeOptions extends LayerOptions {
  /** Sizes without the batch; one may be -1. */
  readonly targetShape: Shape
}

/** The same values in other sizes, in Keras' order. Source: keras.layers.Reshape. */
export class Reshape extends Layer {
  readonly targetShape: Shape

  constructor(options: ReshapeOptions) {
    super(options)
    expectOptions('reshape', options, ['targetShape'])
    const { targetShape } = options
    const isShape = Array.isArray(targetShape) && targetShape.every((size) => Number.isInteger(size) && size >= -1)
    if (!isShape || targetShape.filter((size) => size === -1).length > 1)
      throw new UsageError(`reshape: targetShape must be a list of sizes, one of which may be -1, got ${targetShape}`)
    this.targetShape = [...targetShape]
  }

  protected setUp(input: Spec) {
    const count = sizeOf(input.sizes)
    const given = sizeOf(this.targetShape.filter((size) => size !== -1))
    const sizes = this.targetShape.map((size) => (size === -1 ? count / given : size))
    if (sizeOf(sizes) !== count || !sizes.every(Number.isInteger))
      throw new LenetError(
        `layer '${this.name}': The total size of the tensor must be unchanged. Received: input_shape=${showBatch(input.sizes)}, target_shape=(${this.targetShape.join(', ')})`,
      )
    return { output: { sizes, flatOf: null } }
  }

  call(x: Tensor): Tensor {
    if (!this.input || !this.output) throw this.notBuilt()
    const { sizes } = this.output
    return inward(outward(x, this.input).reshape(x.size(0), ...sizes), sizes)
  }

  protected override get savesBuild(): boolean {
    return false
  }

  protected ownConfig(): Config {
    return { target_shape: this.targetShape }
  }
}

export interface PermuteOptions extends LayerOptions {
  /** Dimensions from 1 on, the batch is 0: [2, 1]. */
  readonly dims: readonly number[]
}

/** Dimensions in another order. Source: keras.layers.Permute. */
export class Permute extends Layer {
  readonly dims: readonly number[]

  constructor(options: PermuteOptions) {
    super(options)
    expectOptions('permute', options, ['dims'])
    this.dims = [...options.dims]
    if (String(this.dims.toSorted((a, b) => a - b)) !== String(this.dims.map((_, i) => i + 1)))
      throw new UsageError(
        `permute: Invalid permutation argument \`dims\` for Permute Layer. The set of indices in \`dims\` must be consecutive and start from 1. Received dims=(${this.dims.join(', ')})`,
      )
  }

  protected setUp(input: Spec) {
    if (input.sizes.length !== this.dims.length)
      throw this.misfit(`ndim=${this.dims.length + 1}, found ndim=${input.sizes.length + 1}`, input)
    const sizes = this.dims.map((dim) => input.sizes[dim - 1] ?? 1)
    return { output: { sizes, flatOf: this.dims.length === 1 ? input.flatOf : null } }
  }

  call(x: Tensor): Tensor {
    if (!this.input || !this.output) throw this.notBuilt()
    if (this.dims.length === 1) return x
    return inward(outward(x, this.input).permute(0, ...this.dims), this.output.sizes)
  }

  protected ownConfig(): Config {
    return { dims: this.dims }
  }
}

/** One number for all four sides, [vertical, horizontal], or [[top, bottom], [left, right]]. */
export type Sides = number | readonly [vertical: number | Edge, horizontal: number | Edge]
type Edge = readonly [before: number, after: number]

/** In plain JavaScript it may be anything. */
const listOf = <T>(value: readonly T[]): readonly T[] => (Array.isArray(value) ? value : [])

function edgesOf(what: string, name: string, sides: Sides): readonly [Edge, Edge] {
  const both: readonly (number | Edge)[] = typeof sides === 'number' ? [sides, sides] : listOf(sides)
  const edges = both.map((side): readonly number[] => (typeof side === 'number' ? [side, side] : listOf(side)))
  const [[top = NaN, bottom = NaN] = [], [left = NaN, right = NaN] = []] = edges
  const fits = both.length === 2 && edges.every((edge) => edge.length === 2)
  if (fits && [top, bottom, left, right].every((size) => Number.isInteger(size) && size >= 0))
    return [
      [top, bottom],
      [left, right],
    ]
  throw new UsageError(
    `${what}: \`${name}\` should be either a whole number, two of them [symmetric_height, symmetric_width], or [[top, bottom], [left, right]]. Received: ${name}=${JSON.stringify(sides)}`,
  )
}

export interface ZeroPadding2DOptions extends LayerOptions {
  /** Default 1. */
  readonly padding?: Sides
}

/** Rows and columns of zeros around the picture. Source: keras.layers.ZeroPadding2D. */
export class ZeroPadding2D extends Layer {
  readonly padding: readonly [Edge, Edge]

  constructor(options: ZeroPadding2DOptions = {}) {
    super(options)
    expectOptions('zeroPadding2d', options, ['padding'])
    this.padding = edgesOf('zeroPadding2d', 'padding', options.padding ?? 1)
  }

  protected setUp(input: Spec) {
    if (!isPicture(input)) throw this.misfit(`ndim=4, found ndim=${input.sizes.length + 1}`, input)
    const [height = 0, width = 0, channels = 0] = input.sizes
    const [[top, bottom], [left, right]] = this.padding
    return { output: { sizes: [height + top + bottom, width + left + right, channels], flatOf: null } }
  }

  call(x: Tensor): Tensor {
    const [rows, columns] = this.padding
    return F.pad(x, [...columns, ...rows])
  }

  protected ownConfig(): Config {
    return { padding: this.padding, data_format: 'channels_last' }
  }
}

export interface Cropping2DOptions extends LayerOptions {
  /** Default 0. */
  readonly cropping?: Sides
}

/** Cuts rows and columns off the edges of the picture. Source: keras.layers.Cropping2D. */
export class Cropping2D extends Layer {
  readonly cropping: readonly [Edge, Edge]

  constructor(options: Cropping2DOptions = {}) {
    super(options)
    expectOptions('cropping2d', options, ['cropping'])
    this.cropping = edgesOf('cropping2d', 'cropping', options.cropping ?? 0)
  }

  protected setUp(input: Spec) {
    if (!isPicture(input)) throw this.misfit(`ndim=4, found ndim=${input.sizes.length + 1}`, input)
    const [height = 0, width = 0, channels = 0] = input.sizes
    const [[top, bottom], [left, right]] = this.cropping
    const sizes = [height - top - bottom, width - left - right, channels]
    if (sizes.some((size) => size < 1))
      throw new LenetError(
        `layer '${this.name}': Values in \`cropping\` argument should be smaller than the corresponding spatial dimension of the input. Received: input_shape=${showBatch(input.sizes)}, cropping=((${top}, ${bottom}), (${left}, ${right}))`,
      )
    return { output: { sizes, flatOf: null } }
  }

  call(x: Tensor): Tensor {
    if (!this.output) throw this.notBuilt()
    const [height = 0, width = 0] = this.output.sizes
    return x.narrow(2, this.cropping[0][0], height).narrow(3, this.cropping[1][0], width)
  }

  protected ownConfig(): Config {
    return { cropping: this.cropping, data_format: 'channels_last' }
  }
}
