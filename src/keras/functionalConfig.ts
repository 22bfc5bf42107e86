/** The configuration of a functional model, as Keras writes it and back. Not here: those of layers (layers/fromConfig.ts). */
import { LenetError } from '../base/index.js'
import type { KerasTensor, Use } from './kerasTensor.js'
import type { Config, Layer } from './layer.js'
import { InputLayer } from './layers/core.js'
import { asConfig, layerFromConfig } from './layers/fromConfig.js'
import type { UseOrder } from './useOrder.js'

interface Described {
  readonly name: string
  readonly trainable: boolean
  readonly order: UseOrder
  readonly input: KerasTensor
  readonly output: KerasTensor
}

export function functionalConfig({ name, trainable, order, input, output }: Described): Config {
  const own = new Set(order.uses)
  const usesOf = (layer: Layer): readonly Use[] => layer.uses.filter((use) => own.has(use))
  /** Uses outside the model do not count. */
  const place = ({ layer, use }: KerasTensor): [string, number, number] => [layer.name, usesOf(layer).indexOf(use), 0]
  const told = (value: KerasTensor): Config => ({
    class_name: '__keras_tensor__',
    config: { shape: value.shape, dtype: 'float32', keras_history: place(value) },
  })
  const nodeOf = ({ layer, inputs }: Use): Config => {
    const tensors = inputs.map(told)
    return { args: layer.takesList ? [tensors] : tensors, kwargs: layer.useConfig }
  }
  const layers = order.layers.map((layer) => {
    const nodes = usesOf(layer).filter(({ inputs }) => inputs.length > 0)
    return { ...layer.serialize(), name: layer.name, inbound_nodes: nodes.map(nodeOf) }
  })
  const [last, index, tensor] = place(output)
  const output_layers = [last, index + builtIn(output.layer), tensor]
  return { name, trainable, layers, input_layers: place(input), output_layers }
}

/** Keras counts a functional model's own making as its first use, but only where it tells of the output. */
const builtIn = ({ className }: Layer): number => (className === 'Functional' ? 1 : 0)

/** A use of a layer by name, and which. */
type Place = readonly [layer: string, index: number]

function placeOf(value: unknown): Place {
  const [layer, index, tensor]: unknown[] = Array.isArray(value) ? value : []
  if (typeof layer === 'string' && typeof index === 'number' && tensor === 0) return [layer, index]
  throw new LenetError(`the model's configuration tells of a value as ${JSON.stringify(value)}: expected a layer and 0`)
}

/** `["dense", 0, 0]`, or a list of one such. */
function endOf(what: string, value: unknown): Place {
  const list: unknown[] = Array.isArray(value) ? value : []
  if (typeof list[0] === 'string') return placeOf(list)
  if (list.length === 1) return placeOf(list[0])
  throw new LenetError(`the model has ${list.length} ${what}; models of one input and one output are known`)
}

/** The values in a use's arguments, in order. */
function placesIn(value: unknown): Place[] {
  if (Array.isArray(value)) return value.flatMap(placesIn)
  if (typeof value !== 'object' || value === null) return []
  const { class_name, config }: Config = { ...value }
  if (class_name !== '__keras_tensor__') return []
  return [placeOf(asConfig(config, 'a value')['keras_history'])]
}

export interface FunctionalParts {
  readonly inputs: KerasTensor
  readonly outputs: KerasTensor
  readonly name?: string
}

/** A layer and what each of its uses reads. */
export interface AppliedLayer {
  readonly layer: Layer
  readonly uses: readonly (readonly Place[])[]
}

function appliedLayer(serialized: unknown): AppliedLayer {
  const given = asConfig(serialized, 'a layer')
  const nodes: unknown[] = Array.isArray(given['inbound_nodes']) ? given['inbound_nodes'] : []
  const uses = nodes.map((node) => {
    const { args, kwargs } = asConfig(node, 'a use of a layer')
    return [...placesIn(args), ...placesIn(Object.values(asConfig(kwargs ?? {}, "a use's arguments")))]
  })
  return { layer: layerFromConfig(given), uses }
}

/** Applies layers to one another as they were. Throws LenetError where a value is missing. */
export function applyAll(applied: readonly AppliedLayer[], input: Place, output: Place): Omit<FunctionalParts, 'name'> {
  const values = new Map<string, KerasTensor[]>()
  for (const { layer } of applied) if (layer instanceof InputLayer) values.set(layer.name, [layer.value])
  let waiting = applied.filter(({ layer }) => !(layer instanceof InputLayer))
  const valueOf = ([name, index]: Place): KerasTensor | undefined => values.get(name)?.[index]
  while (waiting.length > 0) {
    const before = waiting
    waiting = waiting.filter((each) => !applyReady(each, values, valueOf))
    const isStuck = waiting.length === before.length && !waiting.some((each) => hasBegun(each, values, valueOf))
    if (isStuck) throw new LenetError(`the layer '${waiting[0]?.layer.name}' reads a value that no layer gives`)
  }
  const [inputs, outputs] = [valueOf(input), valueOf(output)]
  if (!inputs || !outputs) throw new LenetError(`the model's ${inputs ? 'output' : 'input'} is no value of its layers`)
  return { inputs, outputs }
}

type ValueOf = (place: Place) => KerasTensor | undefined

/** Applies as many uses as can be, in order; true when all are done. */
function applyReady({ layer, uses }: AppliedLayer, values: Map<string, KerasTensor[]>, valueOf: ValueOf): boolean {
  const done = values.get(layer.name) ?? []
  values.set(layer.name, done)
  while (done.length < uses.length) {
    const inputs = (uses[done.length] ?? []).map(valueOf)
    const known = inputs.filter((value) => value !== undefined)
    if (known.length === 0 || known.length < inputs.length) return false
    done.push(layer.apply(known))
  }
  return true
}

/** Whether its next use can be applied by now. */
function hasBegun({ layer, uses }: AppliedLayer, values: Map<string, KerasTensor[]>, valueOf: ValueOf): boolean {
  const next = uses[values.get(layer.name)?.length ?? 0] ?? []
  return next.length > 0 && next.every((place) => valueOf(place) !== undefined)
}

export function readFunctional(config: unknown): FunctionalParts {
  const { name, layers, input_layers, output_layers } = asConfig(config, 'the model')
  if (!Array.isArray(layers)) throw new LenetError('the model has no list of layers in its configuration')
  const applied = layers.map(appliedLayer)
  const [last, index] = endOf('outputs', output_layers)
  const own = applied.find(({ layer }) => layer.name === last)
  const ends = applyAll(applied, endOf('inputs', input_layers), [last, index - (own ? builtIn(own.layer) : 0)])
  return typeof name === 'string' ? { ...ends, name } : ends
}
