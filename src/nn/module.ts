/**
 * Module: a net or a layer, called like a function, as PyTorch's. Its attributes are found by themselves, in the order in
 * which they were set: parameters, buffers and other modules.
 * Not here: the layers (layers/), state dicts (stateDict.ts).
 */
import { foreignKind, LenetError, markCopy, refuseForeign, UsageError } from '../base/index.js'
import { noteChange, type Tensor } from '../tensor/index.js'
import { checkMode, noted, StrayError, tellStrays } from './calls.js'
import { LayerError } from './layerError.js'
import { Buffer, Parameter } from './parameter.js'
import { loadStateDict, stateDict, type LoadOptions, type LoadResult, type StateDict } from './stateDict.js'

/** A module is called with what its `forward` takes. */
export interface Module {
  (...inputs: Parameters<this['forward']>): ReturnType<this['forward']>
}

/** A module that makes one tensor of one: what Sequential takes. */
export type Layer = Module & ((x: Tensor) => Tensor)

/** PyTorch's spelling of a name: runningMean → running_mean, conv1 → conv1. */
const snakeCase = (name: string): string =>
  name.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a}_${b.toLowerCase()}`)

function call(module: Module, inputs: never[]): unknown {
  try {
    return noted(module, inputs, () => module.forward(...inputs))
  } catch (error) {
    throw located(error, module)
  }
}

/** Adds where it happened to an error that users see; others pass as they are. */
function located(error: unknown, module: Module): unknown {
  if (!(error instanceof LenetError) || error instanceof StrayError) return error
  if (!(error instanceof LayerError)) return new LayerError(error, module.summary(), module)
  error.passes(module, module.namedChildren())
  return error
}

/** Indents all lines but the first. */
const indented = (text: string): string => text.replaceAll('\n', '\n  ')

/** A layer or parameter that another copy of lenet made would be dropped in silence; its plain tensors are nobody's. */
function refuseForeignPart(module: Module, name: string, value: unknown): void {
  if (foreignKind(value) !== 'tensor') refuseForeign(`${module.constructor.name}: its attribute ${name}`, value)
}

export abstract class Module {
  static {
    markCopy(Module, 'module')
    // Compilers write `this.#layer(x)` and `this.layer?.(x)` for older targets with `.call`.
    const { call: callOf, bind } = Function.prototype
    Object.defineProperties(Module.prototype, { call: { value: callOf }, bind: { value: bind } })
  }

  /** Dropout and batch norm behave differently in training and evaluation; set by `train()` and `eval()`. */
  declare training: boolean

  /**
   * Gives back a function of the class's prototype, so that instances can be called. Its own `name` and `length` would
   * hide attributes of these names.
   */
  constructor() {
    const self: Module = Object.setPrototypeOf((...inputs: never[]) => call(self, inputs), new.target.prototype)
    Reflect.deleteProperty(self, 'name')
    Reflect.deleteProperty(self, 'length')
    let training = true
    const set = (mode: boolean): void => {
      if (mode !== training) noteChange()
      training = mode
    }
    const get = (): boolean => {
      checkMode(self, training)
      return training
    }
    Object.defineProperty(self, 'training', { get, set })
    return self
  }

  /** What the module computes. Call the module itself, not this: errors then name the layer. */
  abstract forward(...inputs: never[]): unknown

  /** The module's own parameters and buffers with their names in files. */
  *ownTensors(): Generator<[string, Parameter | Buffer]> {
    for (const [name, value] of Object.entries(this) as [string, unknown][])
      if (value instanceof Parameter || value instanceof Buffer) yield [snakeCase(name), value]
      else refuseForeignPart(this, name, value)
  }

  /** The modules among its attributes, with their names. */
  namedChildren(): [string, Module][] {
    return Object.entries(this).flatMap(([name, value]: [string, unknown]): [string, Module][] => {
      if (value instanceof Module) return [[snakeCase(name), value]]
      refuseForeignPart(this, name, value)
      return []
    })
  }

  children(): Module[] {
    return this.namedChildren().map(([, child]) => child)
  }

  /** This module ('') and all below it, each once, parents first. */
  namedModules(prefix = '', seen: Set<Module> = new Set()): [string, Module][] {
    if (seen.has(this)) return []
    seen.add(this)
    const below = this.namedChildren().flatMap(([name, child]) =>
      child.namedModules(prefix === '' ? name : `${prefix}.${name}`, seen),
    )
    return [[prefix, this], ...below]
  }

  modules(): Module[] {
    return this.namedModules().map(([, module]) => module)
  }

  /** All tensors of one kind with their full names; a shared one once, under its first name. */
  private named<T extends Tensor>(kind: new (...args: never[]) => T): [string, T][] {
    const names = new Map<T, string>()
    for (const [path, module] of this.namedModules())
      for (const [name, tensor] of module.ownTensors())
        if (tensor instanceof kind && !names.has(tensor)) names.set(tensor, path === '' ? name : `${path}.${name}`)
    return [...names].map(([tensor, name]) => [name, tensor])
  }

  namedParameters(): [string, Parameter][] {
    return this.named(Parameter)
  }

  /** All parameters in the order of definition: what an optimizer takes. A list, made anew at each call. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter)
  }

  namedBuffers(): [string, Buffer][] {
    return this.named(Buffer)
  }

  buffers(): Buffer[] {
    return this.namedBuffers().map(([, buffer]) => buffer)
  }

  /**
   * Names → parameters and buffers, under PyTorch's names. The tensors are the module's own: they change with training;
   * save them, or copy their values, to keep a state. Source: torch.nn.Module.state_dict.
   * Where the net was seen calling a layer that is not among its attributes, a warning says that it is left out.
   * @throws LenetError where two attributes have one name in files
   */
  stateDict(): StateDict {
    tellStrays(this)
    return stateDict(this)
  }

  /**
   * Copies values into parameters and buffers. Nothing is changed unless everything fits. `{ strict: false }` takes what
   * fits and returns the names that are missing and unexpected.
   * @throws LenetError naming missing and unexpected keys, or the key, expected and found shape
   */
  loadStateDict(state: unknown, options: LoadOptions = {}): LoadResult {
    return loadStateDict(this, state, options)
  }

  /** Training mode for this module and all below. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode
    return this
  }

  /** Evaluation mode: no dropout, batch norm by running statistics. */
  eval(): this {
    return this.train(false)
  }

  /** `false` freezes all parameters, `true` thaws them. */
  requiresGrad_(flag = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(flag)
    return this
  }

  /** Forgets all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null
  }

  /**
   * Calls `visit` on every module below, then on this one. Source: torch.nn.Module.apply.
   * With a list as the second argument it is JavaScript's `Function.prototype.apply`: calls the module with its items.
   * @throws UsageError where it is given no function
   */
  apply(visit: (module: Module) => void): this
  apply(self: unknown, inputs: readonly unknown[]): unknown
  apply(visit: unknown, inputs?: readonly unknown[]): unknown {
    if (inputs !== undefined) return call(this, inputs as never[])
    if (typeof visit !== 'function')
      throw new UsageError(`${this.constructor.name}.apply: expects a function of a module, got ${typeof visit}`)
    for (const child of this.children()) child.apply(visit as (module: Module) => void)
    visit(this)
    return this
  }

  /** What stands in the brackets after the class's name when it is printed: `3, 6, kernel_size=(5, 5)`. */
  extraRepr(): string {
    return ''
  }

  /** The module in one line: its own text where it has no parts, else the class's name. */
  summary(): string {
    return this.namedChildren().length === 0 ? this.toString() : this.constructor.name
  }

  /** As PyTorch prints it. */
  toString(): string {
    const parts = this.namedChildren().map(([name, child]) => `(${name}): ${indented(String(child))}`)
    const own = this.extraRepr()
    const { name } = this.constructor
    if (parts.length === 0) return `${name}(${own})`
    return `${name}(${own === '' ? '' : `\n  ${own}`}\n  ${parts.join('\n  ')}\n)`
  }

  /** What console.log shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
