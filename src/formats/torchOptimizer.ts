/**
 * An optimizer's state as PyTorch's files hold it: by the number of the parameter, from which training goes on there. And the
 * way back, where the file names neither the optimizer (its slots tell) nor, mostly, the parameters.
 * Not here: the net's state dict (netPth.ts).
 * Source: torch/optim/{adam,adamw,sgd,rmsprop,adagrad}.py (state and param_groups).
 */
import { LenetError, isMap } from '../base/index.js'
import type { NetOptimizer, NetOptimizerSettings, NetTensor } from './net.js'
import { asFloat32, isPthTensor, type PthValue, type WritablePthValue } from './pthTypes.js'
import { shownName } from './shownName.js'

/** A parameter's state-dict name and its shape. */
export type NamedShape = readonly [name: string, shape: readonly number[]]
type Dict = ReadonlyMap<string | number, PthValue>

/** How PyTorch calls what differs by optimizer; the rest is given by all. */
function groupOf({ name, settings }: NetOptimizer): Record<string, WritablePthValue> {
  const { lr, weightDecay = name === 'adamw' ? 0.01 : 0, momentum = 0, amsgrad = false } = settings
  const common = { weight_decay: weightDecay, foreach: null, maximize: false, differentiable: false }
  if (name === 'adam' || name === 'adamw') {
    const betas = [settings.beta1 ?? 0.9, settings.beta2 ?? 0.999]
    const own = { lr: lr ?? 1e-3, betas, eps: settings.eps ?? 1e-8, amsgrad, decoupled_weight_decay: name === 'adamw' }
    return { ...common, ...own, capturable: false, fused: null }
  }
  if (name === 'sgd') {
    return { ...common, lr: lr ?? 1e-3, momentum, dampening: 0, nesterov: settings.nesterov ?? false, fused: null }
  }
  if (name === 'adagrad') {
    const own = { lr: lr ?? 0.01, lr_decay: 0, eps: settings.eps ?? 1e-10, initial_accumulator_value: 0 }
    return { ...common, ...own, fused: null }
  }
  const own = { lr: lr ?? 0.01, alpha: settings.alpha ?? 0.99, eps: settings.eps ?? 1e-8, momentum }
  return { ...common, ...own, centered: settings.centered ?? false, capturable: false }
}

/**
 * `optimizer.state_dict()`: state by the number of the parameter among those of `all` (in the order of `net.parameters()`)
 * that it trains, and one group. Throws LenetError where the state names a parameter that is not among them, or has another
 * shape.
 */
export function optimizerToTorch(optimizer: NetOptimizer, all: readonly NamedShape[]): WritablePthValue {
  const trained = new Set(optimizer.parameters ?? all.map(([name]) => name))
  const parameters = all.filter(([name]) => trained.has(name))
  const numbers = new Map(parameters.map(([name], i) => [name, i]))
  const shapes = new Map(parameters)
  const entries = [...optimizer.state].map(([name, slots]) => {
    const number = numbers.get(name)
    if (number === undefined) throw new LenetError(`the optimizer's state: the net has no parameter ${shownName(name)}`)
    checkSlots(slots, shapes.get(name) ?? [], name)
    const step = { shape: [], data: Float32Array.of(optimizer.step) }
    return [number, { ...(optimizer.name === 'sgd' ? {} : { step }), ...Object.fromEntries(slots) }] as const
  })
  const group = { ...groupOf(optimizer), params: parameters.map((_, i) => i) }
  return { state: new Map(entries.toSorted(([a], [b]) => a - b)), param_groups: [group] }
}

function checkSlots(slots: ReadonlyMap<string, NetTensor>, shape: readonly number[], name: string): void {
  for (const [slot, tensor] of slots) {
    if (String(tensor.shape) === String(shape)) continue
    const [found, expected] = [tensor.shape.join(', '), shape.join(', ')]
    throw new LenetError(
      `the optimizer's state: ${slot} of ${shownName(name)} is [${found}], the parameter [${expected}]`,
    )
  }
}

/** Where checkpoints keep the optimizer. */
const usualKeys = ['optimizer', 'optimizer_state_dict', 'optim', 'optimizer_states']

const slotNames: Readonly<Record<NetOptimizer['name'], readonly string[]>> = {
  adam: ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
  adamw: ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'],
  sgd: ['momentum_buffer'],
  rmsprop: ['square_avg', 'momentum_buffer', 'grad_avg'],
  adagrad: ['sum'],
}

function nameOf(group: Dict): NetOptimizer['name'] | undefined {
  if (group.has('betas')) return group.get('decoupled_weight_decay') === true ? 'adamw' : 'adam'
  if (group.has('alpha')) return 'rmsprop'
  if (group.has('lr_decay')) return 'adagrad'
  return group.has('momentum') ? 'sgd' : undefined
}

function settingsOf(group: Dict): NetOptimizerSettings {
  const number = (key: string): number | undefined => {
    const value = group.get(key)
    if (isPthTensor(value)) return asFloat32(value)[0] // lr may be a tensor
    return typeof value === 'number' ? value : undefined
  }
  const flag = (key: string): boolean | undefined =>
    typeof group.get(key) === 'boolean' ? group.get(key) === true : undefined
  const betas = group.get('betas')
  const [beta1, beta2] = Array.isArray(betas) ? betas.map((beta) => (typeof beta === 'number' ? beta : undefined)) : []
  const all = {
    lr: number('lr'),
    beta1,
    beta2,
    eps: number('eps'),
    weightDecay: number('weight_decay'),
    momentum: number('momentum'),
    nesterov: flag('nesterov'),
    amsgrad: flag('amsgrad'),
    alpha: number('alpha'),
    centered: flag('centered'),
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

interface Found {
  readonly state: Dict
  readonly groups: readonly Dict[]
}

function findOptimizer(whole: PthValue): Found | undefined {
  const candidates = isMap(whole) ? usualKeys.map((key) => whole.get(key)) : []
  for (const candidate of candidates) {
    const found = Array.isArray(candidate) ? candidate[0] : candidate // Lightning keeps a list of them
    if (!isMap(found)) continue
    const [state, groups] = [found.get('state'), found.get('param_groups')]
    if (!isMap(state) || !Array.isArray(groups)) continue
    const dicts = groups.filter((group) => isMap(group))
    if (dicts.length === groups.length) return { state, groups: dicts }
  }
  return undefined
}

/** The parameters' numbers, group by group, as the file lists them. */
function numbersOf(groups: readonly Dict[]): PthValue[] {
  return groups.flatMap((group) => {
    const params = group.get('params')
    return Array.isArray(params) ? params : []
  })
}

/** Names beside the numbers, which optimizers have that were given `net.named_parameters()`. */
function namesIn(groups: readonly Dict[]): string[] {
  return groups.flatMap((group) => {
    const names = group.get('param_names')
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
  })
}

/** Of a parameter by its slots; undefined where it has none yet. */
function shapeOf(entry: PthValue | undefined, name: NetOptimizer['name']): readonly number[] | undefined {
  if (!isMap(entry)) return undefined
  for (const slot of slotNames[name]) {
    const tensor = entry.get(slot)
    if (isPthTensor(tensor)) return tensor.shape
  }
  return undefined
}

/** Parameters of the optimizer times those of the net that are compared. */
const mostPairs = 2 ** 22

type SomeShape = readonly number[] | undefined

/** Whole layers, by the names before the last dot. */
function layersOf(parameters: readonly NamedShape[]): NamedShape[][] {
  const layers = new Map<string, NamedShape[]>()
  for (const parameter of parameters) {
    const layer = parameter[0].replace(/\.?[^.]*$/, '')
    layers.set(layer, [...(layers.get(layer) ?? []), parameter])
  }
  return [...layers.values()]
}

/** Which of the units fit these shapes in this order (undefined: any), if only one choice does. */
function onlyFit(shapes: readonly SomeShape[], units: readonly (readonly NamedShape[])[]): NamedShape[] | undefined {
  if (shapes.length * units.length > mostPairs) return undefined
  const fits = (i: number, unit: readonly NamedShape[]): boolean =>
    i + unit.length <= shapes.length &&
    unit.every(([, shape], k) => shapes[i + k] === undefined || String(shapes[i + k]) === String(shape))
  /** ways[i][j]: choices for the shapes from i on among the units from j on; 2 stands for more. */
  const ways = Array.from({ length: shapes.length + 1 }, () => new Uint8Array(units.length + 1))
  ways[shapes.length]?.fill(1)
  const waysWith = (i: number, j: number): number => {
    const unit = units[j] ?? []
    return fits(i, unit) ? (ways[i + unit.length]?.[j + 1] ?? 0) : 0
  }
  for (let i = shapes.length - 1; i >= 0; i--)
    for (let j = units.length - 1; j >= 0; j--) {
      const row = ways[i]
      if (row !== undefined) row[j] = Math.min(2, (row[j + 1] ?? 0) + waysWith(i, j))
    }
  if (ways[0]?.[0] !== 1) return undefined
  let i = 0
  return units.flatMap((unit, j) => {
    if (i >= shapes.length || waysWith(i, j) !== 1) return []
    i += unit.length
    return unit
  })
}

/** The parameters that the optimizer trains, in its order; undefined where the file does not tell. */
function trainedOf(
  { state, groups }: Found,
  optimizer: NetOptimizer['name'],
  parameters: readonly NamedShape[],
): readonly NamedShape[] | undefined {
  const numbers = numbersOf(groups)
  const names = namesIn(groups)
  if (names.length > 0 && names.length === numbers.length) {
    const named = names.map((name) => parameters.find(([own]) => name === own || name.endsWith(`.${own}`)))
    if (new Set(named).size === names.length && named.every((found) => found !== undefined)) return named
  }
  const shapes = numbers.map((number) => shapeOf(entryOf(state, number), optimizer))
  if (numbers.length < parameters.length) {
    const each = parameters.map((parameter) => [parameter])
    return onlyFit(shapes, layersOf(parameters)) ?? onlyFit(shapes, each) // layers are mostly frozen as a whole
  }
  const isAll = shapes.every((shape, i) => shape === undefined || String(shape) === String(parameters[i]?.[1]))
  return numbers.length === parameters.length && isAll ? parameters : undefined
}

const entryOf = (state: Dict, number: PthValue | undefined): PthValue | undefined =>
  typeof number === 'number' || typeof number === 'string' ? state.get(number) : undefined

/**
 * The optimizer in a checkpoint; undefined where it holds none that is known, and a sentence where it does not belong to
 * the net: that is no error, the weights are still there. `parameters` are the net's own, in the order of
 * `net.parameters()`; an optimizer may train some of them. Of several groups the first one's settings are taken.
 */
export function optimizerFromTorch(
  whole: PthValue,
  parameters: readonly NamedShape[],
  where: string,
): NetOptimizer | string | undefined {
  const found = findOptimizer(whole)
  const [group] = found?.groups ?? []
  const name = group === undefined ? undefined : nameOf(group)
  if (found === undefined || group === undefined || name === undefined) return undefined
  const trained = trainedOf(found, name, parameters)
  const numbers = numbersOf(found.groups)
  if (trained === undefined) {
    const sides = `it has ${numbers.length} parameters, the net ${parameters.length}`
    const reason = numbers.length > parameters.length ? '' : ', and their shapes do not tell which is whose'
    return `${where}: the optimizer's state is not read: ${sides}${reason}`
  }
  let step = 0
  const state = new Map<string, ReadonlyMap<string, NetTensor>>()
  trained.forEach(([parameter, shape], i) => {
    const entry = entryOf(found.state, numbers[i])
    if (!isMap(entry)) return
    step = Math.max(step, stepOf(entry))
    const slots = slotsOf(entry, name, shape, `${where}, optimizer, ${shownName(parameter)}`)
    if (slots.size > 0) state.set(parameter, slots)
  })
  const some = trained.length < parameters.length ? { parameters: trained.map(([own]) => own) } : {}
  return { name, step, settings: settingsOf(group), state, ...some }
}

function stepOf(entry: Dict): number {
  const step = entry.get('step')
  const value = isPthTensor(step) ? asFloat32(step)[0] : step
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}

function slotsOf(
  entry: Dict,
  name: NetOptimizer['name'],
  shape: readonly number[],
  where: string,
): Map<string, NetTensor> {
  const slots = new Map<string, NetTensor>()
  for (const slot of slotNames[name]) {
    const tensor = entry.get(slot)
    if (!isPthTensor(tensor)) continue
    if (String(tensor.shape) !== String(shape)) {
      throw new LenetError(`${where}: ${slot} is [${tensor.shape.join(', ')}], the parameter [${shape.join(', ')}]`)
    }
    slots.set(slot, { shape: tensor.shape, data: asFloat32(tensor) })
  }
  return slots
}
