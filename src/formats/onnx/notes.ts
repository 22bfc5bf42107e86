/** What our own ONNX files keep in metadata_props besides the graph: names of classes and the pictures' preprocessing. */
import { parseJson, type JsonValue } from '../json.js'
import type { NetFile, NetPreprocessing } from '../net.js'

export const classesKey = 'lenet.classes'
export const preprocessingKey = 'lenet.preprocessing'

/** Throws LenetError where the metadata is no JSON; what is of another kind is left out. */
export function notesOf(
  metadata: ReadonlyMap<string, string>,
  file: string,
): Pick<NetFile, 'classes' | 'preprocessing'> {
  const value = (key: string): JsonValue | undefined => {
    const text = metadata.get(key)
    return text === undefined ? undefined : parseJson(text, `${file}, metadata ${key}`)
  }
  const classes = value(classesKey)
  const preprocessing = preprocessingOf(value(preprocessingKey))
  const isTexts = Array.isArray(classes) && classes.every((name) => typeof name === 'string')
  return { ...(isTexts ? { classes } : {}), ...(preprocessing ? { preprocessing } : {}) }
}

function preprocessingOf(value: JsonValue | undefined): NetPreprocessing | undefined {
  if (!(value instanceof Map)) return undefined
  const [scale, mean, std] = [value.get('scale'), numbers(value.get('mean')), numbers(value.get('std'))]
  return typeof scale === 'number' && mean && std ? { scale, mean, std } : undefined
}

function numbers(value: JsonValue | undefined): number[] | undefined {
  if (!Array.isArray(value)) return undefined
  const found = value.filter((item) => typeof item === 'number')
  return found.length === value.length ? found : undefined
}
