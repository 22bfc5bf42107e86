/**
 * Weights of a file brought to the layers of a model: by name where all names fit, else by order, as Keras does. Counts
 * and shapes must fit in any case.
 * Not here: reading them (kerasH5.ts, kerasWeightsH5.ts).
 */
import { LenetError } from '../base/index.js'
import type { KerasModel, KerasWeights, LooseWeights } from './kerasTypes.js'
import { checkedVariable, placeLayers, type PlacedLayer } from './kerasVariables.js'
import type { NetTensor } from './net.js'
import { shownName } from './shownName.js'

/** The weights under the model's own names. Throws LenetError, telling both sides, where they do not fit. */
export function weightsOf(model: KerasModel, loose: LooseWeights, where: string): KerasWeights {
  const wanting = placeLayers(model, where).filter(({ variables }) => variables.length > 0)
  const given = loose.filter(({ variables }) => variables.length > 0)
  if (wanting.length !== given.length) {
    const sides = `${given.length} layers with weights (${listed(given.map(({ name }) => name))})`
    throw new LenetError(
      `${where}: the file has ${sides}; the model has ${wanting.length} (${listed(wanting.map(({ layer }) => layer.name))})`,
    )
  }
  const byName = new Map(given.map((layer) => [layer.name, layer.variables]))
  const named = wanting.every(({ layer }) => byName.has(layer.name))
  return new Map(
    wanting.map((place, i) => {
      const variables = named ? byName.get(place.layer.name) : given[i]?.variables
      return [place.layer.name, layerWeights(place, variables ?? [], where)]
    }),
  )
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
