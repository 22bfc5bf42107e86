/**
 * What optimizers share: groups of parameters with options, the step, saving. A step computes gradients, update and
 * loss together. Not here: the formulas (adam.ts, sgd.ts), the memory (block.ts).
 */
import { isMap, LenetError, refuseForeign, UsageError } from '../../base/index.js'
import {
  compute,
  endStep,
  fromArray,
  type Node,
  ops,
  ownTensor,
  recording,
  StepCache,
  takeBackwardRoots,
  Tensor,
} from '../../tensor/index.js'
import { forgetPasses, noteTrained, refuseStray } from '../calls.js'
import { Block, floats } from './block.js'

/** Parameters with options of their own; what is left out is taken from the optimizer's. */
export type GroupInput<O> = { readonly params: Iterable<Tensor> | Tensor } & Partial<O>

/** Tensors, or groups of them. */
export type ParamsInput<O> = Iterable<Tensor> | Iterable<GroupInput<O>>

/** Options may be changed between steps: `optimizer.paramGroups[0].lr = 1e-4`. */
export type ParamGroup<O> = O & { readonly params: readonly Tensor[] }

/** As PyTorch's: parameters are numbered over all groups; `state` holds those that were updated. */
export interface OptimizerState {
  readonly state: ReadonlyMap<number, Readonly<Record<string, Tensor>>>
  readonly param_groups: readonly Readonly<Record<string, unknown>>[]
}

interface Slot<O> {
  readonly group: ParamGroup<O>
  blocks: Block[]
}

interface Update<O> {
  readonly block: Block
  readonly group: ParamGroup<O>
}

/** All options but the learning rate: a change of one of these is another plan. */
const fixedOptions = <O extends object>(group: ParamGroup<O>): [keyof ParamGroup<O>, unknown][] =>
  (Object.keys(group) as (keyof ParamGroup<O>)[])
    .filter((name) => name !== 'lr' && name !== 'params')
    .map((name) => [name, Array.isArray(group[name]) ? [...group[name]] : group[name]])

const sameOption = (a: unknown, b: unknown): boolean =>
  a === b || (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => item === b[i]))

/** Throws UsageError for what is neither tensors nor groups of them. */
function listOf<O>(what: string, params: ParamsInput<O>): (Tensor | GroupInput<O>)[] {
  const isList = typeof params === 'object' && params !== null && Symbol.iterator in params
  if (!isList || params instanceof Tensor)
    throw new UsageError(`${what}: expects a list of parameters, such as net.parameters(), or of groups { params: … }`)
  const list: (Tensor | GroupInput<O>)[] = [...params]
  const wrong = list.findIndex((item) => typeof item !== 'object' || item === null || Array.isArray(item))
  if (wrong >= 0)
    throw new UsageError(
      `${what}: item ${wrong} of the list is neither a parameter nor a group { params: … } (names are not taken: pass net.parameters())`,
    )
  return list
}

const hasGrad = (parameter: Tensor): boolean => parameter.grad !== null && parameter.requiresGrad

export abstract class Optimizer<O extends object> {
  /** Parameters and their options. */
  readonly paramGroups: ParamGroup<O>[] = []
  readonly #defaults: O
  readonly #slots: Slot<O>[] = []
  readonly #known = new Set<Tensor>()
  readonly #cache = new StepCache()

  constructor(params: ParamsInput<O>, defaults: O) {
    this.#defaults = defaults
    const list = listOf(new.target.name, params)
    const tensors = list.filter((item): item is Tensor => item instanceof Tensor)
    if (tensors.length > 0) this.addParamGroup({ params: tensors, ...({} as Partial<O>) })
    for (const item of list) {
      refuseForeign(`${this.constructor.name}: what it is to train`, item)
      if (!(item instanceof Tensor)) this.addParamGroup(item)
    }
    if (this.#known.size === 0) throw this.#nothingToTrain()
  }

  #nothingToTrain(): LenetError {
    return new LenetError(
      `${this.constructor.name}: got no parameters to train (a net finds layers that are its public attributes: not #private, nor in an array or a Map)`,
    )
  }

  /** Sets the numbers that may be others at each step; what else is in the options is part of the plan. */
  protected abstract setHypers(block: Block, options: O): void

  /** The nodes that write the new values of a block with gradients. Step counts are the block's. */
  protected abstract update(block: Block, options: O): Node[]

  /** Throws UsageError for options that make no sense. */
  protected abstract check(options: O): void

  /** Names of the state in PyTorch's files, by ours. */
  protected abstract readonly stateNames: Readonly<Record<string, string>>

  /** Options under PyTorch's names and with what else its files carry. */
  protected abstract groupState(options: O): Record<string, unknown>

  /** Options from a file's group. */
  protected abstract groupFrom(state: Readonly<Record<string, unknown>>): Partial<O>

  /** Adds parameters with options of their own, such as layers thawed later. */
  addParamGroup(input: GroupInput<O>): void {
    const params = input.params instanceof Tensor ? [input.params] : [...input.params]
    const group: ParamGroup<O> = { ...this.#defaults, ...input, params }
    this.check(group)
    for (const parameter of params) {
      refuseForeign(`${this.constructor.name}: what it is to train`, parameter)
      if (this.#known.has(parameter)) {
        throw new LenetError(`${this.constructor.name}: a parameter was given twice; give each to one group, once`)
      }
      if (!parameter.isLeaf || parameter.dtype !== 'f32') {
        throw new LenetError(`${this.constructor.name}: only f32 leaves (parameters) can be trained`)
      }
      this.#known.add(parameter)
      noteTrained(parameter)
    }
    this.paramGroups.push(group)
    this.#slots.push({ group, blocks: params.length > 0 ? [new Block(params)] : [] })
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const parameter of this.#known) parameter.grad = null
  }

  /**
   * Updates every parameter that has a gradient; computes gradients, update and the losses that were differentiated, all
   * at once. Graphs made before it from these parameters have ended.
   * @throws LenetError where a net that it trains uses a layer that is not found among its attributes
   */
  step(): void {
    this.#cache.step(() => this.#stepAnew())
    forgetPasses()
  }

  /** Builds the graph of gradients and updates and computes it. Returns the parameters that were updated. */
  #stepAnew(): Tensor[] {
    refuseStray()
    const updates: Update<O>[] = []
    const targets = takeBackwardRoots()
    ops.withoutGrad(() => {
      for (const slot of this.#slots) {
        for (const block of ready(slot)) {
          updates.push({ block, group: slot.group })
          this.setHypers(block, slot.group)
          for (const write of this.update(block, slot.group)) targets.push(write)
        }
      }
    })
    compute(targets)
    this.#finish(updates)
    recording()?.repeated.push(this.#repetition(updates))
    return updates.flatMap(({ block }) => block.parameters)
  }

  #finish(updates: readonly Update<O>[]): void {
    for (const { block } of updates) block.renew()
    endStep()
  }

  /** The same updates once more, by the same plan: with the learning rates and step counts of then. */
  #repetition(updates: readonly Update<O>[]) {
    const before = this.#slots.map(({ group, blocks }) => ({ blocks, options: fixedOptions(group) }))
    const updated = new Map(updates.map(({ block }) => [block, block.home]))
    const unchanged = (slot: Slot<O>, i: number): boolean =>
      slot.blocks === before[i]?.blocks &&
      before[i].options.every(([name, value]) => sameOption(slot.group[name], value)) &&
      slot.blocks.every((block) => {
        const home = updated.get(block)
        return home ? home === block.home : block.parameters.every(({ gradNow }) => gradNow === null)
      })
    return {
      valid: () => this.#slots.length === before.length && this.#slots.every(unchanged),
      before: () => {
        for (const { block, group } of updates) this.setHypers(block, group)
      },
      after: () => this.#finish(updates),
    }
  }

  /** State and options in PyTorch's structure and names: `save` makes a file of it that PyTorch reads. */
  stateDict(): OptimizerState {
    const state = new Map<number, Record<string, Tensor>>()
    let first = 0
    const groups = this.#slots.map(({ group, blocks }) => {
      const numbers = new Map(group.params.map((parameter, i) => [parameter, first + i]))
      first += group.params.length
      for (const block of blocks) if (block.steps > 0) this.#saveBlock(block, numbers, state)
      return { ...this.groupState(group), params: [...numbers.values()] }
    })
    return { state: new Map([...state].sort(([a], [b]) => a - b)), param_groups: groups }
  }

  #saveBlock(block: Block, numbers: ReadonlyMap<Tensor, number>, state: Map<number, Record<string, Tensor>>): void {
    block.parameters.forEach((parameter, i) => {
      const named = [...block.stateOf(i)].map(([name, x]) => [this.stateNames[name] ?? name, x] as const)
      state.set(numbers.get(parameter) ?? -1, Object.fromEntries([...this.stepState(block), ...named]))
    })
  }

  /** The step count's entry in a file. */
  protected stepState(_block: Block): (readonly [string, Tensor])[] {
    return []
  }

  /** The step count of a file's entry. */
  protected stepsFrom(_entry: ReadonlyMap<string, Tensor>): number {
    return 1
  }

  /**
   * Takes over state and options of `stateDict()`, or of PyTorch's file as `load` gives it.
   * @throws LenetError when the groups are not as many or not as long
   */
  loadStateDict(saved: unknown): void {
    const { state, groups } = parseState(saved, this.constructor.name)
    if (groups.length !== this.#slots.length) {
      throw new LenetError(
        `${this.constructor.name}.loadStateDict: expected ${this.#slots.length} parameter groups, found ${groups.length}`,
      )
    }
    let first = 0
    this.#slots.forEach((slot, i) => {
      const group = groups[i] ?? {}
      const found = Array.isArray(group['params']) ? group['params'].length : 0
      if (found !== slot.group.params.length) {
        throw new LenetError(
          `${this.constructor.name}.loadStateDict: group ${i}: expected ${slot.group.params.length} parameters, found ${found}`,
        )
      }
      this.#refuseOthersState(slot.group, group, state, first)
      Object.assign(slot.group, this.groupFrom(group))
      slot.blocks = this.#loadBlocks(slot.group.params, state, first)
      first += found
    })
  }

  /** Throws LenetError for what another class of optimizer wrote. */
  #refuseOthersState(
    own: ParamGroup<O>,
    group: Readonly<Record<string, unknown>>,
    state: ReadonlyMap<number, ReadonlyMap<string, Tensor>>,
    first: number,
  ): void {
    const known = this.groupState(own)
    const option = Object.keys(group).find((name) => characteristic.has(name) && !(name in known))
    const names = new Set([...Object.values(this.stateNames), 'step'])
    const entries = own.params.flatMap((_, i) => [...(state.get(first + i)?.keys() ?? [])])
    const found = option ?? entries.find((name) => !names.has(name))
    if (found !== undefined)
      throw new LenetError(
        `${this.constructor.name}.loadStateDict: the state has ${found}, which is another optimizer's`,
      )
  }

  /** One block for the parameters of each step count; those without state begin anew. */
  #loadBlocks(
    params: readonly Tensor[],
    state: ReadonlyMap<number, ReadonlyMap<string, Tensor>>,
    first: number,
  ): Block[] {
    const bySteps = new Map<number, number[]>()
    params.forEach((_, i) => {
      const entry = state.get(first + i)
      const steps = entry ? this.stepsFrom(entry) : 0
      bySteps.set(steps, [...(bySteps.get(steps) ?? []), i])
    })
    return [...bySteps].map(([steps, members]) => {
      const block = new Block(
        members.map((i) => params[i]).filter((parameter) => parameter !== undefined),
        steps,
      )
      block.setState(members.map((i) => this.#ownState(state.get(first + i))))
      return block
    })
  }

  #ownState(entry: ReadonlyMap<string, Tensor> | undefined): Map<string, Float32Array> {
    const names = Object.entries(this.stateNames)
    return new Map(
      names.flatMap(([name, saved]) => {
        const value = entry?.get(saved)
        return value ? [[name, floats(value)] as const] : []
      }),
    )
  }
}

/** Options that not all optimizers have, under PyTorch's names. */
const characteristic: ReadonlySet<string> = new Set([
  'alpha',
  'amsgrad',
  'betas',
  'centered',
  'dampening',
  'etas',
  'lr_decay',
  'momentum',
  'nesterov',
  'rho',
])

/** The blocks whose parameters have gradients. PyTorch leaves the others alone, their step counts too: they part. */
function ready<O>(slot: Slot<O>): Block[] {
  if (slot.blocks.every((block) => block.parameters.every(hasGrad))) return slot.blocks
  const mixed = (block: Block): boolean => block.parameters.some(hasGrad) && !block.parameters.every(hasGrad)
  if (slot.blocks.some(mixed)) {
    slot.blocks = slot.blocks.flatMap((block) => (mixed(block) ? block.split(hasGrad) : [block]))
  }
  return slot.blocks.filter((block) => block.parameters.every(hasGrad))
}

const asMap = (value: unknown): Map<unknown, unknown> | undefined => {
  if (isMap(value)) return value
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new Map(Object.entries(value))
    : undefined
}

interface ParsedState {
  readonly state: Map<number, Map<string, Tensor>>
  readonly groups: Record<string, unknown>[]
}

function parseState(saved: unknown, what: string): ParsedState {
  const top = asMap(saved)
  const state = asMap(top?.get('state'))
  const groups = top?.get('param_groups')
  if (!state || !Array.isArray(groups)) {
    throw new LenetError(`${what}.loadStateDict: expected an optimizer's state dict with 'state' and 'param_groups'`)
  }
  const entries = [...state].map(([key, entry]) => {
    const tensors = [...(asMap(entry) ?? [])].flatMap(([name, value]): [string, Tensor][] => {
      // PyTorch up to 1.11 wrote the step count as an int.
      const tensor = typeof value === 'number' ? fromArray(Float32Array.of(value), [], 'f32') : ownTensor(value)
      return tensor ? [[String(name), tensor]] : []
    })
    return [Number(key), new Map(tensors)] as const
  })
  return { state: new Map(entries), groups: groups.map((group) => Object.fromEntries(asMap(group) ?? [])) }
}

/** A number of `least` or more, below `below`. */
export function expectNumber(what: string, name: string, value: number, least = 0, below = Infinity): void {
  if (value >= least && (value < below || below === Infinity)) return
  const range = below === Infinity ? `${least} or more` : `in [${least}, ${below})`
  throw new UsageError(`${what}: ${name} must be ${range}, got ${value}`)
}

/** A file's number, or undefined. */
export const numberIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** Whose formulas an optimizer follows where they differ. */
export type Formula = 'torch' | 'keras'

export function expectFormula(what: string, formula: Formula): void {
  if (formula !== 'torch' && formula !== 'keras')
    throw new UsageError(`${what}: formula must be 'torch' or 'keras', got '${String(formula)}'`)
}
