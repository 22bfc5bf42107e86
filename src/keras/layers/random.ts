/**
 * Layers that change pictures at random in training: flips, translations, crops. What is drawn follows from
 * `utils.setRandomSeed`; the numbers are not Keras' own. Not here: how pixels move (pixelMaps.ts).
 */
import { Generator, LenetError, UsageError, type Shape } from '../../base/index.js'
import { defaultGenerator, fromArray, type Tensor } from '../../tensor/index.js'
import {
  expectOptions,
  expectWhole,
  isPicture,
  Layer,
  type CallContext,
  type Config,
  type LayerOptions,
  type Spec,
} from '../layer.js'
import { fillModes, mapPixels, PixelMaps, type FillMode } from './pixelMaps.js'

const tensorOf = (maps: PixelMaps): Tensor =>
  fromArray(maps.data, [maps.data.length / (maps.out * maps.size), maps.out, maps.size], 'f32')

/** Options of all random layers. */
export interface RandomOptions extends LayerOptions {
  /** What is drawn is the same for the same seed, whatever else draws; default null: it follows `utils.setRandomSeed`. */
  readonly seed?: number | null
}

abstract class RandomLayer extends Layer {
  protected sizes: Shape = []
  protected readonly seed: number | null
  readonly #generator: Generator

  constructor(what: string, options: RandomOptions, known: readonly string[]) {
    super(options)
    expectOptions(what, options, [...known, 'seed'])
    const { seed = null } = options
    if (seed !== null && !Number.isInteger(seed))
      throw new UsageError(`${what}: seed must be a whole number or null, got ${String(seed)}`)
    this.seed = seed
    this.#generator = seed === null ? defaultGenerator : new Generator(seed)
  }

  /** Numbers of [0, 1). */
  protected uniform(count: number): Float32Array {
    return this.#generator.uniform(new Float32Array(count))
  }

  protected setUp(input: Spec): { output: Spec } {
    if (!isPicture(input)) throw this.misfit(`ndim=4, found ndim=${input.sizes.length + 1}`, input)
    this.sizes = input.sizes
    return { output: { sizes: this.outSizes(input.sizes), flatOf: null } }
  }

  protected outSizes(sizes: Shape): Shape {
    return sizes
  }

  /** Rows, then columns; null where a direction stays. */
  protected abstract maps(count: number): readonly [rows: PixelMaps | null, columns: PixelMaps | null]

  override draw(count: number): Tensor[] {
    return this.maps(count).flatMap((maps) => (maps ? [tensorOf(maps)] : []))
  }

  /** Whether `draw` gives maps of rows, and of columns. */
  protected abstract get directions(): readonly [boolean, boolean]

  override get mayRepeat(): boolean {
    return false
  }

  call(x: Tensor, context: CallContext): Tensor {
    const drawn = context.drawn(this)
    if (!context.training || drawn.length === 0) return x
    const [first = null, second = null] = drawn
    const [byRows, byColumns] = this.directions
    return mapPixels(x, byRows ? first : null, byColumns ? (byRows ? second : first) : null)
  }
}

export type FlipMode = 'horizontal' | 'vertical' | 'horizontal_and_vertical'
const flipModes: readonly FlipMode[] = ['horizontal', 'vertical', 'horizontal_and_vertical']

export interface RandomFlipOptions extends RandomOptions {
  /** Default 'horizontal_and_vertical'. */
  readonly mode?: FlipMode
}

/** Turns every picture over with probability ½, each direction by itself. Source: keras.layers.RandomFlip. */
export class RandomFlip extends RandomLayer {
  readonly mode: FlipMode

  constructor(options: RandomFlipOptions = {}) {
    super('randomFlip', options, ['mode'])
    const { mode = 'horizontal_and_vertical' } = options
    if (!flipModes.includes(mode))
      throw new UsageError(`randomFlip: mode must be one of ${flipModes.join(', ')}, got '${mode}'`)
    this.mode = mode
  }

  protected get directions(): readonly [boolean, boolean] {
    return [this.mode !== 'horizontal', this.mode !== 'vertical']
  }

  protected maps(count: number): readonly [PixelMaps | null, PixelMaps | null] {
    const flips = (size: number): PixelMaps => {
      const maps = new PixelMaps(count, size, size)
      this.uniform(count).forEach((u, n) => {
        for (let o = 0; o < size; o++) maps.sample(n, o, u < 0.5 ? size - 1 - o : o, 'nearest')
      })
      return maps
    }
    const [height = 1, width = 1] = this.sizes
    const [byRows, byColumns] = this.directions
    return [byRows ? flips(height) : null, byColumns ? flips(width) : null]
  }

  protected ownConfig(): Config {
    return { data_format: 'channels_last', seed: this.seed, mode: this.mode }
  }
}

/** A fraction f for [-f, f], or [lowest, highest]; of the height or width. */
export type Factor = number | readonly number[]

export interface RandomTranslationOptions extends RandomOptions {
  readonly heightFactor: Factor
  readonly widthFactor: Factor
  /** What comes in from outside; default 'reflect'. */
  readonly fillMode?: FillMode
}

function rangeOf(name: string, factor: Factor): readonly [number, number] {
  const [lowest = NaN, highest = NaN] = typeof factor === 'number' ? [-factor, factor] : factor
  if (lowest >= -1 && highest <= 1 && lowest <= highest) return [lowest, highest]
  throw new UsageError(`randomTranslation: ${name} must be a fraction of 1 or two of them, got ${String(factor)}`)
}

/** Moves every picture by a random part of its size, between pixels too. Source: keras.layers.RandomTranslation. */
export class RandomTranslation extends RandomLayer {
  readonly #factors: readonly [Factor, Factor]
  readonly #ranges: readonly [readonly [number, number], readonly [number, number]]
  readonly #fill: FillMode

  constructor(options: RandomTranslationOptions) {
    super('randomTranslation', options, ['heightFactor', 'widthFactor', 'fillMode'])
    const { heightFactor, widthFactor, fillMode = 'reflect' } = options
    if (!fillModes.includes(fillMode))
      throw new UsageError(`randomTranslation: fillMode must be one of ${fillModes.join(', ')}, got '${fillMode}'`)
    this.#factors = [heightFactor, widthFactor]
    this.#ranges = [rangeOf('heightFactor', heightFactor), rangeOf('widthFactor', widthFactor)]
    this.#fill = fillMode
  }

  protected get directions(): readonly [boolean, boolean] {
    return [true, true]
  }

  protected maps(count: number): readonly [PixelMaps, PixelMaps] {
    const moves = (size: number, [lowest, highest]: readonly [number, number]): PixelMaps => {
      const maps = new PixelMaps(count, size, size)
      this.uniform(count).forEach((u, n) => {
        const shift = (lowest + u * (highest - lowest)) * size
        for (let o = 0; o < size; o++) maps.sample(n, o, o - shift, this.#fill)
      })
      return maps
    }
    const [height = 1, width = 1] = this.sizes
    return [moves(height, this.#ranges[0]), moves(width, this.#ranges[1])]
  }

  protected ownConfig(): Config {
    const factors = { height_factor: this.#factors[0], width_factor: this.#factors[1] }
    const fixed = { interpolation: 'bilinear', seed: this.seed, fill_value: 0 }
    return { data_format: 'channels_last', ...factors, fill_mode: this.#fill, ...fixed }
  }
}

export interface RandomCropOptions extends RandomOptions {
  readonly height: number
  readonly width: number
}

/**
 * In training a part of [height, width], the same for a whole batch; else the largest middle part of that form, resized.
 * Source: keras.layers.RandomCrop.
 */
export class RandomCrop extends RandomLayer {
  readonly height: number
  readonly width: number

  constructor(options: RandomCropOptions) {
    super('randomCrop', options, ['height', 'width'])
    expectWhole('randomCrop', 'height', options.height)
    expectWhole('randomCrop', 'width', options.width)
    this.height = options.height
    this.width = options.width
  }

  protected get directions(): readonly [boolean, boolean] {
    return [true, true]
  }

  protected override outSizes([height = 0, width = 0, channels = 0]: Shape): Shape {
    if (height < this.height || width < this.width)
      throw new LenetError(
        `layer '${this.name}' crops pictures to ${this.height} × ${this.width}, got smaller ones of ${height} × ${width}`,
      )
    return [this.height, this.width, channels]
  }

  protected maps(count: number): readonly [PixelMaps, PixelMaps] {
    const [height = 1, width = 1] = this.sizes
    if (height <= this.height || width <= this.width) return this.#middle(count)
    const [u = 0, v = 0] = this.uniform(2)
    const crop = (out: number, size: number, share: number): PixelMaps => {
      const maps = new PixelMaps(count, out, size)
      const start = Math.floor(share * (size - out + 1))
      for (let n = 0; n < count; n++) for (let o = 0; o < out; o++) maps.sample(n, o, start + o, 'nearest')
      return maps
    }
    return [crop(this.height, height, u), crop(this.width, width, v)]
  }

  #middle(count: number): readonly [PixelMaps, PixelMaps] {
    const [height = 1, width = 1] = this.sizes
    const part = (size: number, whole: number): number => Math.max(Math.min(size, Math.trunc(whole)), 1)
    const resize = (out: number, size: number, taken: number): PixelMaps => {
      const maps = new PixelMaps(count, out, size)
      const start = Math.trunc((size - taken) / 2)
      const place = (o: number): number => Math.min(Math.max(((o + 0.5) * taken) / out - 0.5, 0), taken - 1)
      for (let n = 0; n < count; n++) for (let o = 0; o < out; o++) maps.sample(n, o, start + place(o), 'nearest')
      return maps
    }
    const [tall, wide] = [
      part(height, (width * this.height) / this.width),
      part(width, (height * this.width) / this.height),
    ]
    return [resize(this.height, height, tall), resize(this.width, width, wide)]
  }

  override call(x: Tensor, context: CallContext): Tensor {
    if (context.training && context.drawn(this).length > 0) return super.call(x, context)
    const [rows, columns] = this.#middle(1).map(tensorOf)
    const count = x.size(0)
    const forAll = (maps: Tensor | undefined): Tensor | null => maps?.expand(count, -1, -1) ?? null
    return mapPixels(x, forAll(rows), forAll(columns))
  }

  protected ownConfig(): Config {
    return { data_format: 'channels_last', height: this.height, width: this.width, seed: this.seed }
  }
}
