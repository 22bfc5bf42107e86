/**
 * An optimizer's variables as Keras keeps them in files: a list, iterations and learning rate first, then a slot for each
 * trainable variable in the order of the layers; and the way of this state to and from PyTorch's terms.
 * Not here: which file they lie in (kerasH5.ts, kerasWeightsH5.ts).
 * Source: `build` and `update_step` of keras.optimizers 3.15; torch.optim 2.15.
 */
import { LenetError } from '../base/index.js'
import { isObject, type Json, type JsonObject } from './kerasJson.js'
import type { KerasCompile, KerasModel, KerasOptimizer, KerasWeights } from './kerasTypes.js'
import { placeLayers, type KerasVariable } from './kerasVariables.js'
import type { NetOptimizer, NetOptimizerSettings, NetTensor } from './net.js'
import { shownShape } from './netShapes.js'

type ClassName = KerasOptimizer['className']

interface Row {
  readonly net: NetOptimizer['name']
  /** Keras's slot → PyTorch's. */
  readonly slots: Readonly<Record<string, string>>
  /** Keras's setting ↔ the hub's, with PyTorch's meaning. */
  readonly settings: Readonly<Record<string, keyof NetOptimizerSettings>>
}

const adam = {
  slots: { momentum: 'exp_avg', velocity: 'exp_avg_sq', velocity_hat: 'max_exp_avg_sq' },
  settings: { beta_1: 'beta1', beta_2: 'beta2', epsilon: 'eps', amsgrad: 'amsgrad', weight_decay: 'weightDecay' },
} as const

const rows: { readonly [C in ClassName]: Row } = {
  Adam: { net: 'adam', ...adam },
  AdamW: { net: 'adamw', ...adam },
  SGD: {
    net: 'sgd',
    slots: { momentum: 'momentum_buffer' },
    settings: { momentum: 'momentum', nesterov: 'nesterov', weight_decay: 'weightDecay' },
  },
  RMSprop: {
    net: 'rmsprop',
    slots: { velocity: 'square_avg', momentum: 'momentum_buffer', average_gradient: 'grad_avg' },
    settings: { rho: 'alpha', momentum: 'momentum', epsilon: 'eps', centered: 'centered', weight_decay: 'weightDecay' },
  },
  Adagrad: { net: 'adagrad', slots: { accumulator: 'sum' }, settings: { epsilon: 'eps', weight_decay: 'weightDecay' } },
}

/** Slots in the order of the file: those in one list take turns, variable by variable. */
type Stages = readonly (readonly string[])[]

function slotStages(className: ClassName, config: JsonObject): Stages {
  const hasMomentum = typeof config['momentum'] === 'number' && config['momentum'] !== 0
  switch (className) {
    case 'Adam':
    case 'AdamW':
      return config['amsgrad'] === true ? [['momentum', 'velocity'], ['velocity_hat']] : [['momentum', 'velocity']]
    case 'SGD':
      return hasMomentum ? [['momentum']] : []
    case 'RMSprop':
      return [
        ['velocity'],
        ...(hasMomentum ? [['momentum']] : []),
        ...(config['centered'] === true ? [['average_gradient']] : []),
      ]
    case 'Adagrad':
      return [['accumulator']]
  }
}

/** In Keras 2's older optimizers every slot has its turn after the one before. */
const legacyStages = (className: ClassName, config: JsonObject): Stages =>
  slotStages(className, config)
    .flat()
    .map((slot) => [slot])

interface Trainable {
  readonly layer: string
  readonly variable: KerasVariable
}

function trainables(model: KerasModel, where: string): Trainable[] {
  return placeLayers(model, where).flatMap(({ layer, variables }) =>
    layer.trainable
      ? variables.filter(({ trainable }) => trainable).map((variable) => ({ layer: layer.name, variable }))
      : [],
  )
}

/** All variables in the file's order. Throws LenetError where a slot is missing or of another shape. */
export function optimizerVariables(
  model: KerasModel,
  optimizer: KerasOptimizer,
  where: string,
): (NetTensor | bigint)[] {
  const learningRate = { shape: [], data: Float32Array.of(optimizer.learningRate) }
  const stages = slotStages(optimizer.className, optimizer.config)
  return [BigInt(optimizer.iterations), learningRate, ...inOrder(stages, model, optimizer, where)]
}

function inOrder(stages: Stages, model: KerasModel, optimizer: KerasOptimizer, where: string): NetTensor[] {
  const list = trainables(model, where)
  return stages.flatMap((stage) =>
    list.flatMap(({ layer, variable }) =>
      stage.map((slot) => {
        const value = optimizer.slots.get(slot)?.get(layer)?.get(variable.name)
        const place = `${where}, optimizer ${optimizer.className}, ${slot} of ${layer}/${variable.name}`
        if (value === undefined) throw new LenetError(`${place}: is missing`)
        checkShape(value, variable, place)
        return value
      }),
    ),
  )
}

/** As `optimizerVariables`, in the order of Keras 2's older optimizers, which keep no learning rate among them. */
export function legacyVariables(
  model: KerasModel,
  optimizer: KerasOptimizer,
  where: string,
): ReadonlyMap<string, NetTensor | bigint> {
  const slots = inOrder(legacyStages(optimizer.className, optimizer.config), model, optimizer, where)
  const variables = new Map<string, NetTensor | bigint>([['iter:0', BigInt(optimizer.iterations)]])
  slots.forEach((value, i) => variables.set(`slot_${i}:0`, value))
  return variables
}

function checkShape(value: NetTensor, variable: KerasVariable, where: string): void {
  if (String(value.shape) === String(variable.shape)) return
  throw new LenetError(
    `${where}: is ${shownShape(value.shape)}; the model's config wants ${shownShape(variable.shape)}`,
  )
}

const mine = /^(?:Custom>)?(SGD|Adam|AdamW|RMSprop|Adagrad)$/i

/** The optimizer's class and config as `compile_config` tells them, where it is one that is known. */
function compiledOptimizer(
  compile: KerasCompile | undefined,
): { className: ClassName; config: JsonObject } | undefined {
  const optimizer: Json = compile?.['optimizer'] ?? null
  const given = isObject(optimizer) ? (optimizer['class_name'] ?? null) : optimizer
  const [, name] = typeof given === 'string' ? (mine.exec(given) ?? []) : []
  const className = classNames.find((known) => known.toLowerCase() === name?.toLowerCase())
  if (className === undefined) return undefined
  const config: Json = isObject(optimizer) ? (optimizer['config'] ?? {}) : {}
  return { className, config: isObject(config) ? config : {} }
}

const usualAdam = { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 } as const
const usualAdamW = { ...usualAdam, weight_decay: 0.004 } as const

/**
 * Keras's own settings by how many variables an optimizer has for each trainable one; undefined where the count does not
 * tell (RMSprop of two: momentum, or centered). SGD's momentum is 0.9 where there is one.
 */
const usualConfigs: { readonly [C in ClassName]: readonly (JsonObject | undefined)[] } = {
  Adam: [undefined, undefined, usualAdam, { ...usualAdam, amsgrad: true }],
  AdamW: [undefined, undefined, usualAdamW, { ...usualAdamW, amsgrad: true }],
  SGD: [{}, { momentum: 0.9 }],
  RMSprop: [undefined, { rho: 0.9, epsilon: 1e-7 }],
  Adagrad: [undefined, { epsilon: 1e-7 }],
}

/** How a model was probably compiled whose optimizer has this name and so many variables; undefined where they do not tell. */
export function usualCompile(
  model: KerasModel,
  name: string,
  variables: number,
  where: string,
): KerasCompile | undefined {
  // Keras writes it in snake case: rm_sprop, adam_w
  const className = classNames.find((known) => known.toLowerCase() === name.replaceAll('_', '').toLowerCase())
  const each = (variables - 2) / Math.max(1, trainables(model, where).length)
  const config = className && usualConfigs[className][each]
  return config && { optimizer: { class_name: className, config } }
}

const classNames: readonly ClassName[] = ['SGD', 'Adam', 'AdamW', 'RMSprop', 'Adagrad']

/**
 * The optimizer out of a file's list of variables, or a sentence that says why not: a model trains on without it, so
 * this is no error. Keras 2 keeps no learning rate in the list.
 * @param isLegacy the list is in the order of Keras 2's older optimizers
 */
export function optimizerFrom(
  model: KerasModel,
  compile: KerasCompile | undefined,
  values: readonly NetTensor[],
  where: string,
  isLegacy = false,
): KerasOptimizer | string {
  const known = compiledOptimizer(compile)
  if (known === undefined) return `${where}: the optimizer's state is not read: its class is not known`
  const list = trainables(model, where)
  const stages = (isLegacy ? legacyStages : slotStages)(known.className, known.config)
  const slotCount = stages.reduce((sum, stage) => sum + stage.length * list.length, 0)
  // Keras 2's SGD keeps momenta also where it uses none
  const isUnused = stages.length === 0 && values.length === 1 + list.length
  const head = isUnused ? 1 : values.length - slotCount
  if (head !== 1 && head !== 2) {
    return `${where}: the optimizer's state is not read: ${values.length} variables, ${slotCount + 2} are expected`
  }
  const slots = readSlots(values.slice(head), stages, list)
  if (slots === undefined) return `${where}: the optimizer's state is not read: its shapes are not the model's`
  const set = known.config['learning_rate']
  const learningRate = head === 2 ? values[1]?.data[0] : typeof set === 'number' ? set : undefined
  return { ...known, iterations: values[0]?.data[0] ?? 0, learningRate: learningRate ?? 1e-3, slots }
}

function readSlots(
  values: readonly NetTensor[],
  stages: Stages,
  list: readonly Trainable[],
): ReadonlyMap<string, KerasWeights> | undefined {
  const slots = new Map<string, Map<string, Map<string, NetTensor>>>()
  let at = 0
  for (const stage of stages) {
    for (const { layer, variable } of list) {
      for (const slot of stage) {
        const value = values[at++]
        if (value === undefined || String(value.shape) !== String(variable.shape)) return undefined
        put(slots, slot, layer, variable.name, value)
      }
    }
  }
  return slots
}

function put(
  slots: Map<string, Map<string, Map<string, NetTensor>>>,
  slot: string,
  layer: string,
  name: string,
  value: NetTensor,
): void {
  const layers = slots.get(slot) ?? new Map<string, Map<string, NetTensor>>()
  slots.set(slot, layers)
  const variables = layers.get(layer) ?? new Map<string, NetTensor>()
  layers.set(layer, variables)
  variables.set(name, value)
}

/**
 * SGD's momentum has the learning rate in it in Keras (velocity = m · velocity − lr · gradient), and not in PyTorch
 * (buffer = m · buffer + gradient): the factor from Keras to PyTorch. RMSprop's has it in Keras too, with the other sign.
 */
function slotFactor(className: ClassName, slot: string, learningRate: number): number {
  if (slot !== 'momentum' || (className !== 'SGD' && className !== 'RMSprop')) return 1
  if (learningRate === 0) return 0
  return className === 'SGD' ? -1 / learningRate : 1 / learningRate
}

function scaled({ shape, data }: NetTensor, factor: number): NetTensor {
  return factor === 1 ? { shape, data } : { shape, data: data.map((value) => value * factor) }
}

/** In PyTorch's terms and layouts. */
export function netOptimizer(model: KerasModel, optimizer: KerasOptimizer, where: string): NetOptimizer {
  const row = rows[optimizer.className]
  const state = new Map<string, Map<string, NetTensor>>()
  for (const { layer, variable } of trainables(model, where)) {
    const slots = new Map<string, NetTensor>()
    for (const [slot, layers] of optimizer.slots) {
      const value = layers.get(layer)?.get(variable.name)
      const factor = slotFactor(optimizer.className, slot, optimizer.learningRate)
      if (value !== undefined) slots.set(row.slots[slot] ?? slot, scaled(variable.toNet(value), factor))
    }
    if (slots.size > 0) state.set(`${layer}.${variable.key}`, slots)
  }
  const settings: Record<string, number | boolean> = { lr: optimizer.learningRate }
  for (const [theirs, ours] of Object.entries(row.settings)) {
    const value = optimizer.config[theirs]
    if (typeof value === 'number' || typeof value === 'boolean') settings[ours] = value
  }
  const trained = trainables(model, where).map(({ layer, variable }) => `${layer}.${variable.key}`)
  const some = model.layers.every(({ trainable }) => trainable) ? {} : { parameters: trained }
  return { name: row.net, step: optimizer.iterations, settings, state, ...some }
}

/** In Keras's terms and layouts, for the layers of `model`. A slot that is missing begins at zero. */
export function kerasOptimizer(model: KerasModel, optimizer: NetOptimizer, where: string): KerasOptimizer {
  const className = classNames.find((name) => rows[name].net === optimizer.name) ?? 'Adam'
  const row = rows[className]
  const learningRate = optimizer.settings.lr ?? 1e-3
  const config: Record<string, Json> = { name: optimizer.name, learning_rate: learningRate }
  for (const [theirs, ours] of Object.entries(row.settings)) {
    const value = optimizer.settings[ours]
    if (value !== undefined && !(ours === 'weightDecay' && value === 0)) config[theirs] = value
  }
  const slots = new Map<string, Map<string, Map<string, NetTensor>>>()
  for (const slot of slotStages(className, config).flat()) {
    for (const { layer, variable } of trainables(model, where)) {
      const value = optimizer.state.get(`${layer}.${variable.key}`)?.get(row.slots[slot] ?? slot)
      const factor = slotFactor(className, slot, learningRate)
      const size = variable.shape.reduce((product, next) => product * next, 1)
      const own =
        value === undefined
          ? { shape: variable.shape, data: new Float32Array(size) }
          : scaled(variable.fromNet(value), factor === 0 ? 0 : 1 / factor)
      put(slots, slot, layer, variable.name, own)
    }
  }
  return { className, config, iterations: optimizer.step, learningRate, slots }
}
