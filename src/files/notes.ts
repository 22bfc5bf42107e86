/**
 * What a file keeps of a net besides its weights, class names and preprocessing, as a text that other programs pass over.
 * Not here: where each format has room for it (read.ts, write.ts).
 */
import { LenetError } from '../base/index.js'
import { outputActivation, outputSize, usualActivation, type NetFile, type NetPreprocessing } from '../formats/index.js'
import { formats, type FormatName } from './format.js'
import { familyPreprocessing, ownScaling, samePreprocessing } from './preprocessing.js'

/** The member of a zip file in which we keep notes; PyTorch and Keras pass over it. */
export const notesMember = 'lenet.json'

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number' && Number.isFinite(item))

const areTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')

export type Notes = Pick<NetFile, 'classes' | 'preprocessing' | 'parameterOrder' | 'activation'>

/** What a file's outputs become probabilities by, where its readers would expect another. */
function activationNote(format: FormatName, net: NetFile): NetFile['activation'] {
  if (!formats[format].bare) return net.activation
  const activation = outputActivation(net)
  return activation === 'softmax' || activation === usualActivation(outputSize(net)) ? undefined : activation
}

/** What a file of the format must say: preprocessing and activation only where its readers would expect others. */
export function notesFor(
  format: FormatName,
  net: NetFile | undefined,
  {
    classes,
    preprocessing,
  }: { readonly classes: readonly string[] | undefined; readonly preprocessing: NetPreprocessing },
): Notes {
  const activation = net && activationNote(format, net)
  const { bare, family } = formats[format]
  const own = net && ownScaling(net)
  const isUsual = samePreprocessing(preprocessing, own ?? familyPreprocessing[family])
  return {
    ...(classes === undefined ? {} : { classes }),
    // the net that weights alone are read into may not tell what this one does
    ...(isUsual && !(bare && own) ? {} : { preprocessing }),
    ...(activation === undefined ? {} : { activation }),
    ...(net?.parameterOrder === undefined ? {} : { parameterOrder: net.parameterOrder }),
  }
}

/** What files keep of a net besides weights, as JSON; undefined where there is nothing to keep. */
export function notesText({ classes, preprocessing, parameterOrder, activation }: Notes): string | undefined {
  const all = { classes, preprocessing, parameterOrder, activation }
  return Object.values(all).every((value) => value === undefined) ? undefined : JSON.stringify(all)
}

/** What is no such text, or damaged, is refused: a net that is given other pictures would be silently wrong. */
export function notesOf(text: string, where: string): Notes {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new LenetError(`${where}: should be JSON and is not`)
  }
  if (typeof value !== 'object' || value === null) throw new LenetError(`${where}: should be an object`)
  const { classes, preprocessing, parameterOrder, activation }: { readonly [K in keyof Notes]?: unknown } = value
  return {
    ...(areTexts(classes) ? { classes } : {}),
    ...(activation === 'sigmoid' || activation === 'none' ? { activation } : {}),
    ...(areTexts(parameterOrder) ? { parameterOrder } : {}),
    ...(preprocessing === undefined ? {} : { preprocessing: preprocessingOf(preprocessing, where) }),
  }
}

function preprocessingOf(value: unknown, where: string): NetPreprocessing {
  const told: Record<string, unknown> = typeof value === 'object' ? { ...value } : {}
  const { scale: factor, mean, std } = told
  if (typeof factor === 'number' && factor > 0 && isNumbers(mean) && isNumbers(std) && !std.includes(0))
    return { scale: factor, mean, std }
  throw new LenetError(`${where}: its preprocessing has no scale, mean and std`)
}
