/**
 * Parameters that are updated together: one flat block of memory, one kernel, whatever the number of layers.
 * Not here: the formulas (adam.ts, sgd.ts), groups and options (optimizer.ts).
 */
import { LenetError } from '../../base/index.js'
import { fromArray, type Node, ops, packLeaves, read, renewLeaf, type Tensor, zerosLeaf } from '../../tensor/index.js'

/** The block that a parameter lies in now: another optimizer may have moved it. */
const homes = new WeakMap<Tensor, Block>()

/** How often parameters were moved into blocks so far. */
let moves = 0

/** float32 numbers smaller than the smallest normal one are 20 to 50 times slower on many CPUs. */
const SMALLEST_NORMAL = ops.constant(2 ** -126)
const ZERO = ops.constant(0)

/** Denormals become 0; the rest, NaN included, stays. */
export const flushed = (x: Node): Node => ops.where(ops.lt(ops.abs(x), SMALLEST_NORMAL), ZERO, x)

/** A number that may be another at each step: an input of the plan. */
class Hyper {
  readonly node: Node
  readonly #value = new Float32Array(1)
  constructor() {
    this.node = ops.hostLeaf(this.#value, [], 'f32')
  }
  /** Rounded to float32 once. */
  set(value: number): void {
    this.#value[0] = value
  }
}

const constants = new Map<number, Node>()

/** A number that hardly ever changes: part of the plan. */
export function constantOf(value: number): Node {
  const known = constants.get(value)
  if (known) return known
  const made = ops.constant(value)
  if (constants.size < 1000) constants.set(value, made)
  return made
}

/** Values of the optimizer's state for one parameter. */
export type ParameterState = ReadonlyMap<string, Float32Array>

export class Block {
  readonly parameters: readonly Tensor[]
  /** Updates done. */
  steps: number
  #whole: Node | null = null
  /** `moves` when all parameters were seen to be at home. */
  #seen = -1
  readonly #state = new Map<string, Node>()
  readonly #hypers = new Map<string, Hyper>()

  constructor(parameters: readonly Tensor[], steps = 0) {
    this.parameters = parameters
    this.steps = steps
  }

  /** The block's values [total] in memory, as a leaf. */
  get whole(): Node {
    if (this.#whole && this.#seen === moves) return this.#whole
    if (!this.#whole || !this.#isHome()) {
      this.#whole = packLeaves(this.parameters.map(({ node }) => node))
      for (const parameter of this.parameters) homes.set(parameter, this)
      moves++
    }
    this.#seen = moves
    return this.#whole
  }

  #isHome(): boolean {
    return this.#seen === moves || this.parameters.every((parameter) => homes.get(parameter) === this)
  }

  /** Where all parameters lie; null when they do not lie here. */
  get home(): Node['storage'] {
    return this.#whole && this.#isHome() ? this.#whole.storage : null
  }

  /** The gradients end to end [total]. */
  gradient(): Node {
    const parts = this.parameters.map(({ grad }) => {
      if (!grad) throw new Error('block: a parameter without gradient')
      return ops.reshape(ops.unbatch(grad.node), [-1])
    })
    const [only] = parts
    return only && parts.length === 1 ? only : ops.make('concat', {}, parts)
  }

  /** State [total] of that name, at first `initial` everywhere. */
  state(name: string, initial = 0): Node {
    const known = this.#state.get(name)
    if (known) return known
    const size = this.#size()
    const filled = (): Node => packLeaves([ops.hostLeaf(new Float32Array(size).fill(initial), [size], 'f32')])
    const made = initial === 0 ? zerosLeaf([size]) : filled()
    this.#state.set(name, made)
    return made
  }

  #size(): number {
    return this.parameters.reduce((total, parameter) => total + parameter.numel(), 0)
  }

  /** The number of that name as an input of the plan. */
  hyper(name: string): Node {
    return this.#hyper(name).node
  }

  setHyper(name: string, value: number): void {
    this.#hyper(name).set(value)
  }

  #hyper(name: string): Hyper {
    let hyper = this.#hypers.get(name)
    if (!hyper) this.#hypers.set(name, (hyper = new Hyper()))
    return hyper
  }

  /** Nodes that write the new values and states. */
  writes(newWhole: Node, newState: Readonly<Record<string, Node>>): Node[] {
    const writes = [ops.assign(this.whole, newWhole)]
    for (const name in newState) {
      const value = newState[name]
      if (value) writes.push(ops.assign(this.state(name), value))
    }
    return writes
  }

  /** After the writes were computed: what was made from the old values has ended. */
  renew(): void {
    if (this.#whole) this.#whole = renewLeaf(this.#whole, false)
    for (const [name, node] of this.#state) this.#state.set(name, renewLeaf(node, false))
    for (const parameter of this.parameters) parameter.renew()
    this.steps++
  }

  /** The state of parameter `index`, in its shape: a copy. */
  stateOf(index: number): Map<string, Tensor> {
    const parameter = this.parameters[index]
    if (!parameter) throw new Error('block: no such parameter')
    const start = this.parameters.slice(0, index).reduce((total, { shape }) => total + sizes(shape), 0)
    return new Map(
      [...this.#state].map(([name, node]) => {
        const part = Float32Array.from(read(node).subarray(start, start + parameter.numel()))
        return [name, fromArray(part, parameter.shape, 'f32')]
      }),
    )
  }

  /** Sets the state of all parameters: a list [parameter] of values by name. */
  setState(parts: readonly ParameterState[]): void {
    const names = new Set(parts.flatMap((part) => [...part.keys()]))
    for (const name of names) {
      const values = new Float32Array(this.#size())
      let at = 0
      this.parameters.forEach((parameter, i) => {
        const part = parts[i]?.get(name)
        if (part && part.length !== parameter.numel())
          throw new LenetError(
            `the optimizer's ${name} of parameter ${i} has ${part.length} values, not ${parameter.numel()}`,
          )
        if (part) values.set(part, at)
        at += parameter.numel()
      })
      this.#state.set(name, packLeaves([ops.hostLeaf(values, [values.length], 'f32')]))
    }
  }

  /** Two blocks of the same state: the parameters that `chosen` accepts, and the others. */
  split(chosen: (parameter: Tensor) => boolean): Block[] {
    return [true, false].map((side) => {
      const kept = this.parameters.flatMap((parameter, i) => (chosen(parameter) === side ? [i] : []))
      const block = new Block(
        kept.map((i) => this.parameters[i]).filter((parameter) => parameter !== undefined),
        this.steps,
      )
      block.setState(kept.map((i) => new Map([...this.stateOf(i)].map(([name, x]) => [name, floats(x)]))))
      return block
    })
  }
}

const sizes = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1)

export const floats = (x: Tensor): Float32Array => Float32Array.from(x.toTypedArray())
