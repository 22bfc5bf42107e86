/** Layers that make one value of several: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate. */
import { LenetError, UsageError, type Shape } from '../../base/index.js'
import { cat, type Tensor } from '../../tensor/index.js'
import {
  expectOptions,
  Layer,
  showBatch,
  type CallContext,
  type Config,
  type LayerOptions,
  type Spec,
} from '../layer.js'

const shapesOf = (inputs: readonly Spec[]): string => inputs.map(({ sizes }) => showBatch(sizes)).join(', ')

abstract class Merge extends Layer {
  protected abstract merged(values: readonly Tensor[]): Tensor

  override callAll(inputs: readonly Tensor[]): Tensor {
    return this.merged(inputs)
  }

  call(x: Tensor, _context: CallContext): Tensor {
    return this.merged([x])
  }

  protected setUp(input: Spec) {
    return this.setUpAll([input])
  }

  protected expectSeveral(inputs: readonly Spec[], least = 2): void {
    if (inputs.length >= least) return
    throw new LenetError(
      `layer '${this.name}': A merge layer should be called on a list of at least ${least} input${least > 1 ? 's' : ''}. Received ${inputs.length} inputs.`,
    )
  }

  override get takesList(): boolean {
    return true
  }

  protected override buildShape(): unknown {
    return this.inputs.map(({ sizes }) => [null, ...sizes])
  }

  protected ownConfig(): Config {
    return {}
  }
}

/** NumPy's rule for two of one rank; undefined where they do not fit. */
function broadcast(a: Shape, b: Shape): Shape | undefined {
  const sizes = a.map((size, i) => (size === 1 ? (b[i] ?? 1) : size))
  return b.every((size, i) => size === 1 || size === sizes[i]) ? sizes : undefined
}

/** Value by value; sizes of 1 are repeated. */
abstract class ElementwiseMerge extends Merge {
  constructor(options: LayerOptions = {}) {
    super(options)
    expectOptions(this.className, options, [])
  }

  /** Lists stay as pictures lie inside where all are of the same pictures. */
  override accepted(inputs: readonly Spec[]): readonly Spec[] {
    const isSame = inputs.every((input) => JSON.stringify(input) === JSON.stringify(inputs[0]))
    return isSame ? inputs : inputs.map(({ sizes }) => ({ sizes, flatOf: null }))
  }

  protected override setUpAll(inputs: readonly Spec[]) {
    this.expectSeveral(inputs)
    const [first = { sizes: [], flatOf: null }] = inputs
    const isRanked = inputs.every(({ sizes }) => sizes.length === first.sizes.length)
    const sizes = isRanked
      ? inputs.reduce<Shape | undefined>((found, next) => found && broadcast(found, next.sizes), first.sizes)
      : undefined
    if (!sizes)
      throw new LenetError(
        `layer '${this.name}': Inputs have incompatible shapes. Received shapes ${shapesOf(inputs)}; those of one number of dimensions are known`,
      )
    return { output: { sizes, flatOf: first.flatOf } }
  }
}

/** One after the other by `pair`. */
const folded = (values: readonly Tensor[], pair: (a: Tensor, b: Tensor) => Tensor): Tensor => values.reduce(pair)

/** The sum. Source: keras.layers.Add. */
export class Add extends ElementwiseMerge {
  protected merged(values: readonly Tensor[]): Tensor {
    return folded(values, (a, b) => a.add(b))
  }
}

/** The first without the second. Source: keras.layers.Subtract. */
export class Subtract extends ElementwiseMerge {
  protected override setUpAll(inputs: readonly Spec[]) {
    if (inputs.length !== 2)
      throw new LenetError(
        `layer '${this.name}': A \`Subtract\` layer should be called on exactly 2 inputs. Received: ${shapesOf(inputs)}`,
      )
    return super.setUpAll(inputs)
  }

  protected merged(values: readonly Tensor[]): Tensor {
    return folded(values, (a, b) => a.sub(b))
  }
}

/** The product. Source: keras.layers.Multiply. */
export class Multiply extends ElementwiseMerge {
  protected merged(values: readonly Tensor[]): Tensor {
    return folded(values, (a, b) => a.mul(b))
  }
}

/** The mean. Source: keras.layers.Average. */
export class Average extends ElementwiseMerge {
  protected merged(values: readonly Tensor[]): Tensor {
    return folded(values, (a, b) => a.add(b)).div(values.length)
  }
}

/** The largest. Source: keras.layers.Maximum. */
export class Maximum extends ElementwiseMerge {
  protected merged(values: readonly Tensor[]): Tensor {
    return folded(values, (a, b) => a.maximum(b))
  }
}

/** The smallest. Source: keras.layers.Minimum. */
export class Minimum extends ElementwiseMerge {
  protected merged(values: readonly Tensor[]): Tensor {
    return folded(values, (a, b) => a.minimum(b))
  }
}

export interface ConcatenateOptions extends LayerOptions {
  /** Counted with the batch; default -1: channels or features. */
  readonly axis?: number
}

/** One behind the other along an axis. Source: keras.layers.Concatenate. */
export class Concatenate extends Merge {
  readonly axis: number

  constructor(options: ConcatenateOptions = {}) {
    super(options)
    expectOptions('concatenate', options, ['axis'])
    this.axis = options.axis ?? -1
    if (!Number.isInteger(this.axis) || this.axis === 0)
      throw new UsageError(`concatenate: axis must be a whole number, and not 0 (the batch), got ${this.axis}`)
  }

  override accepted(inputs: readonly Spec[]): readonly Spec[] {
    return inputs.map(({ sizes }) => ({ sizes, flatOf: null }))
  }

  protected override setUpAll(inputs: readonly Spec[]) {
    this.expectSeveral(inputs, 1)
    const [{ sizes: first } = { sizes: [] }] = inputs
    const at = this.#place(first.length)
    const fits = inputs.every(
      ({ sizes }) => sizes.length === first.length && sizes.every((size, i) => i === at || size === first[i]),
    )
    if (at < 0 || at >= first.length || !fits)
      throw new LenetError(
        `layer '${this.name}': A \`Concatenate\` layer requires inputs with matching shapes except for the concatenation axis (${this.axis}). Received: input_shape=[${shapesOf(inputs)}]`,
      )
    const total = inputs.reduce((sum, { sizes }) => sum + (sizes[at] ?? 0), 0)
    return { output: { sizes: first.map((size, i) => (i === at ? total : size)), flatOf: null } }
  }

  /** Which of the sizes behind the batch grows. */
  #place(rank: number): number {
    return (this.axis < 0 ? this.axis + rank + 1 : this.axis) - 1
  }

  protected merged(values: readonly Tensor[]): Tensor {
    if (!this.output) throw this.notBuilt()
    const rank = this.output.sizes.length
    const at = this.#place(rank)
    // Of [H, W, C] the place in [N, C, H, W].
    return cat(values, rank === 3 ? ((at + 1) % 3) + 1 : at + 1)
  }

  protected override ownConfig(): Config {
    return { axis: this.axis }
  }
}
