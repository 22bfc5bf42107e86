/**
 * Weights of a file brought to the layers of a model. Beside its model a file must name the same layers, in the same order;
 * weights alone go by name where all names fit, else by order, as Keras does. Names of variables, counts and shapes must
 * fit in any case.
 * Not here: reading them (kerasH5.ts, kerasWeightsH5.ts).
 */
import { LenetError } from '../base/index.js'
import type { KerasModel, KerasWeights, LooseLayer, LooseWeights } from './kerasTypes.js'
import { checkedVariable, placeLayers, type PlacedLayer } from './kerasVariables.js'
import type { NetTensor } from './net.js'
import { shownName } from './shownName.js'

/** What the weights' names must be: those of the model in its order, in any order, or none at all. */
export type Naming = 'ordered' | 'named' | 'loose'

/** The weights under the model's own names. Throws LenetError, telling both sides, where they do not fit. */
export function weightsOf(
  model: KerasModel,
  loose: LooseWeights,
  where: string,
  naming: Naming = 'loose',
): KerasWeights {
  const wanting = placeLayers(model, where).filter(({ variables }) => variables.length > 0)
  const given = loose.filter(({ variables }) => variables.length > 0)
  if (wanting.length !== given.length) {
    const sides = `${given.length} layers with weights (${listed(given.map(({ name }) => name))})`
    throw new LenetError(
      `${where}: the file has ${sides}; the model has ${wanting.length} (${listed(wanting.map(({ layer }) => layer.name))})`,
    )
  }
  const byName = new Map(given.map((layer) => [layer.name, layer]))
  const named = wanting.every(({ layer }) => byName.has(layer.name))
  if (naming === 'ordered') checkOrder(wanting, given, where)
  else if (naming === 'named') checkThere(wanting, byName, where)
  return new Map(
    wanting.map((place, i) => {
      const layer = (named ? byName.get(place.layer.name) : given[i]) ?? { name: '', variables: [] }
      checkPaths(place, layer, where)
      return [place.layer.name, layerWeights(place, layer.variables, where)]
    }),
  )
}

/** Keras fills its layers in order, whatever the names: where these disagree nobody knows what was meant. */
function checkOrder(wanting: readonly PlacedLayer[], given: LooseWeights, where: string): void {
  const names = new Set(wanting.map(({ layer }) => layer.name))
  wanting.forEach(({ layer }, i) => {
    const { name = '', paths = [] } = given[i] ?? {}
    const others = paths.flatMap((path) => path.split('/').slice(0, -1)).filter((part) => names.has(part))
    const found = name !== layer.name ? name : others.includes(name) ? name : (others[0] ?? name)
    if (found === layer.name) return
    throw new LenetError(
      `${where}: the weights of layer ${i + 1} are those of ${shownName(found)}; the model's config has ${layer.name} there`,
    )
  })
}

function checkThere(wanting: readonly PlacedLayer[], given: ReadonlyMap<string, LooseLayer>, where: string): void {
  const missing = wanting.find(({ layer }) => !given.has(layer.name))
  if (missing === undefined) return
  throw new LenetError(
    `${where}: the weights of the model's layer ${missing.layer.name} are missing; the file has those of ${listed([...given.keys()])}`,
  )
}

/** Keras's own names of variables, in the order of a layer's. Other names (Keras 1's) say nothing. */
const variableNames = ['kernel', 'bias', 'gamma', 'beta', 'moving_mean', 'moving_variance']

/** `chain/conv1/kernel`, Keras 2's `conv1/kernel:0` and `depthwise_kernel` → kernel. */
function variableName(path: string): string | undefined {
  const last = path
    .split('/')
    .at(-1)
    ?.replace(/:\d+$/, '')
    .replace(/^depthwise_/, '')
  return variableNames.find((name) => name === last)
}

/** The variables as Keras orders them, where all have its names. */
export function inVariableOrder<T>(items: readonly T[], pathOf: (item: T) => string): readonly T[] {
  const places = new Map(items.map((item) => [item, variableNames.indexOf(variableName(pathOf(item)) ?? '')]))
  if ([...places.values()].includes(-1)) return items
  return items.toSorted((a, b) => (places.get(a) ?? 0) - (places.get(b) ?? 0))
}

/** gamma and beta have one shape: only their names tell whether the config is that of the weights. */
function checkPaths(place: PlacedLayer, { variables, paths = [] }: LooseLayer, where: string): void {
  if (variables.length !== place.variables.length) return // told by layerWeights
  place.variables.forEach(({ name }, i) => {
    const found = variableName(paths[i] ?? '') ?? name
    if (found === name) return
    throw new LenetError(
      `${where}, layer ${place.layer.name}: its weight ${i + 1} is ${found} in the file; the model's config wants ${name} there`,
    )
  })
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => shownName(name).slice(0, 40))
  return `${shown.join(', ')}${names.length > 8 ? ' …' : ''}`
}

/** One layer's variables by name, checked. */
export function layerWeights(place: PlacedLayer, given: readonly NetTensor[], where: string): Map<string, NetTensor> {
  const at = `${where}, layer ${place.layer.name}`
  if (given.length !== place.variables.length) {
    const wanted = place.variables.map(({ name }) => name).join(', ')
    throw new LenetError(
      `${at}: the file has ${given.length} weights; the model's config wants ${place.variables.length} (${wanted})`,
    )
  }
  return new Map(place.variables.map((variable, i) => [variable.name, checkedVariable(variable, given[i], at)]))
}
