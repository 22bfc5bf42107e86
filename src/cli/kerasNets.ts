/** Keras' nets by name or by a user's file, and pictures as Keras takes them. Not here: PyTorch's idiom (models.ts). */
import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { LenetError, messageOf, refuseForeign, showShape, UsageError } from '../base/index.js'
import type { ImageSet } from '../data/index.js'
import type { KerasForm } from '../files/model.node.js'
import { losses, metrics, Model, type CompileOptions } from '../keras/index.js'
import { lenet1Keras, lenetKeras } from '../models/index.js'
import { ops, residentLeaf, Tensor } from '../tensor/index.js'

export type MakeModel = (channels: number, classes: number) => Model

/** The nets that go by a name. */
export const kerasNets: Readonly<Record<string, MakeModel>> = { lenet: lenetKeras, lenet1: lenet1Keras }

const sourceEnding = /\.[cm]?[jt]s$/

/** The name under which a net's runs and files go: tf_NAME. */
export const kerasName = (model: string): string => `tf_${basename(model).replace(sourceEnding, '')}`

/** `lenet`, `lenet1`, or a file that exports a function (channels, classes) → a model of Keras. */
export async function kerasMakerOf(model: string): Promise<MakeModel> {
  const known = Object.hasOwn(kerasNets, model) ? kerasNets[model] : undefined
  if (known) return known
  if (!sourceEnding.test(model)) {
    const what = existsSync(model) ? 'it is no source of a net' : 'there is no such net'
    throw new UsageError(`--model ${model}: ${what}; use lenet, lenet1 or a file such as net.ts`)
  }
  if (!existsSync(model)) throw new LenetError(`--model ${model}: there is no such file`)
  const make = functionOf(await importFile(model), model)
  return (channels, classes) => {
    const made = make(channels, classes)
    if (made instanceof Model) return made
    refuseForeign(`--model ${model}: what its function gives`, made)
    throw new LenetError(`--model ${model}: its function must give a model of lenet/keras for --idiom keras`)
  }
}

type Exports = Readonly<Record<string, unknown>>
type AnyMaker = (channels: number, classes: number) => unknown

function functionOf(found: Exports, path: string): AnyMaker {
  const candidates = 'default' in found ? [found['default']] : Object.values(found)
  const functions = candidates.filter((value): value is AnyMaker => typeof value === 'function')
  const [make] = functions
  if (make && functions.length === 1) return make
  throw new LenetError(
    `--model ${path}: expected one exported function (channels, classes) that gives a model of lenet/keras (or a default export), found ${functions.length}`,
  )
}

async function importFile(path: string): Promise<Exports> {
  const { createJiti } = await import('jiti')
  const inside = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url))
  const alias = { 'lenet/keras': inside('keras/index.node.js'), lenet: inside('index.js') }
  const jiti = createJiti(import.meta.url, { alias, moduleCache: true, fsCache: false })
  try {
    return (await jiti.import(pathToFileURL(resolve(path)).href)) as Exports
  } catch (error) {
    throw new LenetError(`--model ${path}: it cannot be loaded: ${messageOf(error)}`)
  }
}

/** Of one output and two classes. A logit above 0 is a probability above ½. */
const binary = ({ endsInIt, activation }: KerasForm): Compiled => {
  const fromLogits = activation === 'sigmoid' && !endsInIt
  const accuracy = metrics.binaryAccuracy({ threshold: fromLogits ? 0 : 0.5, name: 'accuracy' })
  return { loss: losses.binaryCrossentropy({ fromLogits }), metrics: [accuracy] }
}

type Compiled = Pick<CompileOptions, 'loss' | 'metrics'>

/**
 * The loss of a net whose pictures are of one class each, by what its outputs are.
 * @throws LenetError where its outputs are none of so many classes
 */
export function lossFor(model: Model, form: KerasForm, classes: number): Compiled {
  const outputs = model.outputShape ?? []
  const isSingle = outputs.length === 1 && outputs[0] === 1
  const told = `the net gives ${isSingle ? 'one output' : `outputs of ${showShape(outputs)}`} a picture`
  if (isSingle && form.activation !== 'softmax' && classes === 2) return binary(form)
  if (isSingle && form.activation !== 'softmax')
    throw new LenetError(`${told}, which tells two classes apart; the data has ${classes}`)
  if (isSingle) throw new LenetError(`${told} and ends in a softmax, which makes 1 of it always; end it in a sigmoid`)
  if (form.activation !== 'softmax')
    throw new LenetError(
      `${told} for labels that do not exclude each other; the data has one class a picture: end it in a softmax`,
    )
  return { loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }), metrics: ['accuracy'] }
}

/** Pictures and labels as the article's second half has them. */
export interface KerasData {
  /** [count, height, width, channels] from 0 to 1, or bytes for a net that scales them itself; they lie in memory as bytes. */
  readonly images: Tensor
  /** [count, 1] */
  readonly labels: Tensor
  readonly count: number
}

/** @param scale by which bytes become the net's numbers */
export function kerasData(set: ImageSet, scale = 1 / 255): KerasData {
  const { pixels, labels, count, channels, height, width } = set
  const table = residentLeaf([count, channels, height, width], 'u8', pixels)
  const bytes = new Tensor(ops.permute(table, [0, 2, 3, 1]))
  const images = scale === 1 ? bytes.to('f32') : bytes.div(1 / scale)
  return { images, labels: new Tensor(ops.hostLeaf(labels, [count, 1], 'u8')), count }
}
