/**
 * What our own ONNX files keep in metadata_props besides the graph: names of classes, the pictures' preprocessing, the
 * order of the module's parameters, what makes probabilities of the outputs.
 */
import { LenetError, isMap } from '../../base/index.js'
import { parseJson, type JsonValue } from '../json.js'
import type { NetFile, NetPreprocessing } from '../net.js'

export const classesKey = 'lenet.classes'
export const preprocessingKey = 'lenet.preprocessing'
export const orderKey = 'lenet.parameters'
export const activationKey = 'lenet.activation'

/** Throws LenetError where the metadata is no JSON, or not of the kind: other pictures would be silently wrong. */
export function notesOf(
  metadata: ReadonlyMap<string, string>,
  file: string,
): Pick<NetFile, 'classes' | 'preprocessing' | 'parameterOrder' | 'activation'> {
  const read = <T>(key: string, as: (value: JsonValue) => T | undefined, what: string): T | undefined => {
    const [text, where] = [metadata.get(key), `${file}, metadata ${key}`]
    if (text === undefined) return undefined
    const value = as(parseJson(text, where))
    if (value === undefined) throw new LenetError(`${where}: ${what} are expected`)
    return value
  }
  const classes = read(classesKey, textsOf, 'names of classes')
  const preprocessing = read(preprocessingKey, preprocessingOf, 'scale, mean and std')
  const parameterOrder = read(orderKey, textsOf, 'names of parameters')
  const activation = read(activationKey, activationIn, 'sigmoid or none')
  return {
    ...(activation ? { activation } : {}),
    ...(classes ? { classes } : {}),
    ...(preprocessing ? { preprocessing } : {}),
    ...(parameterOrder ? { parameterOrder } : {}),
  }
}

const activationIn = (value: JsonValue): 'sigmoid' | 'none' | undefined =>
  value === 'sigmoid' || value === 'none' ? value : undefined

function textsOf(value: JsonValue): string[] | undefined {
  return Array.isArray(value) && value.every((name) => typeof name === 'string') ? value : undefined
}

function preprocessingOf(value: JsonValue): NetPreprocessing | undefined {
  if (!isMap(value)) return undefined
  const [scale, mean, std] = [value.get('scale'), numbers(value.get('mean')), numbers(value.get('std'))]
  if (typeof scale !== 'number' || !(scale > 0) || !mean || !std || std.includes(0)) return undefined
  return { scale, mean, std }
}

function numbers(value: JsonValue | undefined): number[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined
  const found = value.filter((item): item is number => typeof item === 'number' && Number.isFinite(item))
  return found.length === value.length ? found : undefined
}
