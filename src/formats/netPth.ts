/**
 * A net as PyTorch's files hold it: its state dict, and an optimizer's state by parameter number beside it, from which
 * training goes on there. And the way back for the optimizer, which such a file does not name: its slots tell.
 * Not here: the file (pth.ts, pthWriter.ts); finding the net that a state dict belongs to.
 * Source: torch/optim/{adam,adamw,sgd,rmsprop,adagrad}.py (state and param_groups).
 */
import { LenetError } from '../base/index.js'
import { type NetFile, type NetOptimizer, type NetOptimizerSettings, type NetTensor } from './net.js'
import { asFloat32, isPthTensor, type PthValue, type WritablePthValue, type WritableTensor } from './pthTypes.js'
import { writePth, writePthObject } from './pthWriter.js'
import { shownName } from './shownName.js'

/** A parameter's state-dict name and its shape. */
type NamedShape = readonly [name: string, shape: readonly number[]]
type Dict = ReadonlyMap<string | number, PthValue>

/** PyTorch's order within a module; then the count of batches that only PyTorch keeps. */
const weightOrder = ['weight', 'bias', 'running_mean', 'running_var']

const isBuffer = (name: string): boolean => /(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(name)

/** All tensors of `net.state_dict()`, in its order; of batch norms also num_batches_tracked (0). */
export function netStateDict(net: NetFile): Map<string, WritableTensor> {
  const tensors = new Map<string, WritableTensor>()
  for (const { name, op, weights } of net.nodes) {
    for (const key of [...weights.keys()].toSorted((a, b) => weightOrder.indexOf(a) - weightOrder.indexOf(b))) {
      const tensor = weights.get(key)
      if (tensor !== undefined) tensors.set(`${name}.${key}`, tensor)
    }
    if (op === 'batchNorm') tensors.set(`${name}.num_batches_tracked`, { shape: [], data: new BigInt64Array(1) })
  }
  return tensors
}

/** The trained ones among them, which optimizers number in this order. */
export function netParameters(net: NetFile): NamedShape[] {
  return [...netStateDict(net)].flatMap(([name, { shape }]) => (isBuffer(name) ? [] : [[name, shape] as const]))
}

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
 * `optimizer.state_dict()`: state by the number of the parameter in `parameters` (the order of `net.parameters()`), and
 * one group. Throws LenetError where the state names a parameter that is not among them, or has another shape.
 */
export function optimizerToTorch(optimizer: NetOptimizer, parameters: readonly NamedShape[]): WritablePthValue {
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

/** The net as a .pth: its state dict; with an optimizer in mid-training `{ model, optimizer }`. */
export function writeNetPth(net: NetFile): Uint8Array {
  const model = netStateDict(net)
  if (net.optimizer === undefined) return writePth(model)
  return writePthObject({ model, optimizer: optimizerToTorch(net.optimizer, netParameters(net)) })
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

function findOptimizer(whole: PthValue): { state: Dict; groups: Dict[] } | undefined {
  const candidates = whole instanceof Map ? usualKeys.map((key) => whole.get(key)) : []
  for (const candidate of candidates) {
    const found = Array.isArray(candidate) ? candidate[0] : candidate // Lightning keeps a list of them
    if (!(found instanceof Map)) continue
    const [state, groups] = [found.get('state'), found.get('param_groups')]
    if (!(state instanceof Map) || !Array.isArray(groups)) continue
    const dicts = groups.filter((group) => group instanceof Map)
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

/**
 * The optimizer in a checkpoint, or undefined where it holds none that is known. `parameters` are the net's own, in the
 * order of its state dict without buffers. Of several groups the first one's settings are taken.
 * Throws LenetError where their number or a shape does not fit.
 */
export function optimizerFromTorch(
  whole: PthValue,
  parameters: readonly NamedShape[],
  where: string,
): NetOptimizer | undefined {
  const found = findOptimizer(whole)
  const [group] = found?.groups ?? []
  const name = group === undefined ? undefined : nameOf(group)
  if (found === undefined || group === undefined || name === undefined) return undefined
  const numbers = numbersOf(found.groups)
  if (numbers.length !== parameters.length) {
    throw new LenetError(`${where}, optimizer: it has ${numbers.length} parameters, the net ${parameters.length}`)
  }
  let step = 0
  const state = new Map<string, ReadonlyMap<string, NetTensor>>()
  parameters.forEach(([parameter, shape], i) => {
    const number = numbers[i]
    const entry = typeof number === 'number' || typeof number === 'string' ? found.state.get(number) : undefined
    if (!(entry instanceof Map)) return
    step = Math.max(step, stepOf(entry))
    const slots = slotsOf(entry, name, shape, `${where}, optimizer, ${shownName(parameter)}`)
    if (slots.size > 0) state.set(parameter, slots)
  })
  return { name, step, settings: settingsOf(group), state }
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
