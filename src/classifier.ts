/**
 * Pictures in, classes with their probabilities out: a trained net as a function for servers and scripts.
 * Not here: training (train), decoding itself (data), the command line (cli).
 */
import { isArrayOf, isPromise, LenetError, refuseForeign, UsageError } from './base/index.js'
import { decodePicture, type PictureFit } from './data/index.node.js'
import { channelsOf, meanAndStd, type ModelFile } from './files/index.js'
import { usualActivation, type OutputActivation } from './formats/index.js'
import { nn, picturesAtOnce, type Layer as Net } from './nn/index.js'
import { noGrad, tensor, type Tensor } from './tensor/index.js'

/** What a net says of a picture: one of its classes, or one of its labels. */
export interface Prediction {
  readonly class: string
  readonly index: number
  readonly probability: number // a fraction of 1
}

export interface ClassifierOptions {
  /** Names by index. Default: the indices. */
  readonly classes?: readonly string[]
  /** Classes told of a picture, the most probable first. Default 5. */
  readonly top?: number
  /** Width and height of the net's pictures. Default 32. */
  readonly size?: number
  /** (x / 255 − mean) / std, a value a channel or one for all. Default 0.5 and 0.5, as the nets here are trained. */
  readonly mean?: readonly number[]
  readonly std?: readonly number[]
  /**
   * What makes probabilities of the net's outputs: `softmax` of classes that exclude each other; `sigmoid` of labels each for
   * itself; `none` where they are probabilities. A single output tells the second of two classes by `sigmoid` or `none`.
   * Default: as the file tells; else `sigmoid` of one output and `softmax` of several.
   */
  readonly activation?: OutputActivation
  /** Of a picture of other proportions: 'cover' (default, as for training) keeps its middle; 'contain' and 'fill' all of it. */
  readonly fit?: PictureFit
}

/** A file's path, or a picture's bytes (JPEG, PNG, GIF, WebP). */
export type Picture = string | Uint8Array

export interface Classifier {
  (picture: Picture): Promise<Prediction[]>
  (pictures: readonly Picture[]): Promise<Prediction[][]>
}

/** What a net takes: [channels, size, size] bytes, and how they become numbers. */
export interface InputForm {
  readonly channels: number
  readonly size: number
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

const usualForm = (net: Net): InputForm => ({
  channels: channelsOf(net) ?? 3,
  size: 32,
  mean: [0.5],
  std: [0.5],
})

/** What the net of a file takes: square pictures of the size that it tells, else as usual. Throws LenetError for others. */
export function formOfFile({ path, net, inputShape, preprocessing }: ModelFile): InputForm {
  const usual = usualForm(net)
  const [channels, height, width] = inputShape
  if (inputShape.length !== 3 || (height ?? null) !== (width ?? null))
    throw new LenetError(`${path}: its inputs are [${inputShape.join(', ')}]; square pictures can be classified`)
  return { channels: channels ?? usual.channels, size: height ?? usual.size, ...meanAndStd(preprocessing) }
}

/** For each channel the 256 numbers that bytes become: rounded as kernels round them. */
function numbersOf({ channels, mean, std }: InputForm): Float32Array[] {
  const { fround } = Math
  const of = (values: readonly number[], c: number): number => fround(values[values.length === 1 ? 0 : c] ?? NaN)
  return Array.from({ length: channels }, (_, c) =>
    Float32Array.from({ length: 256 }, (__, byte) => fround(fround(byte / 255) - of(mean, c)) / of(std, c)),
  )
}

/** Bytes [N, C, H, W] → numbers of the same shape. */
function normalised(pixels: Uint8Array, tables: readonly Float32Array[], plane: number): Float32Array {
  const out = new Float32Array(pixels.length)
  for (let start = 0; start < pixels.length; start += plane) {
    const table = tables[(start / plane) % tables.length] ?? new Float32Array(256)
    for (let i = start; i < start + plane; i++) out[i] = table[pixels[i] ?? 0] ?? 0
  }
  return out
}

/** Calls the net in eval mode, and leaves its mode as it was. */
function inEvalMode<T>(net: Net, body: () => T): T {
  const wasTraining = net.training
  if (wasTraining) net.eval()
  try {
    return noGrad(body)
  } finally {
    if (wasTraining) net.train()
  }
}

function activated(x: Tensor, activation: OutputActivation): Tensor {
  if (activation === 'softmax') return x.softmax(1)
  return activation === 'sigmoid' ? x.sigmoid() : x.clamp(0, 1)
}

/** Probabilities of pictures, as many at a time as memory allows; nothing is kept for gradients. */
export class Forward {
  readonly form: InputForm
  readonly #net: Net
  readonly #tables: readonly Float32Array[]
  readonly #activation: OutputActivation | undefined
  #atOnce = 0

  /** @param activation default: `usualActivation` of the outputs */
  constructor(net: Net, form: InputForm, activation?: OutputActivation) {
    this.form = form
    this.#net = net
    this.#tables = numbersOf(form)
    this.#activation = activation
  }

  /** Bytes of one picture. */
  get pictureBytes(): number {
    return this.form.channels * this.form.size ** 2
  }

  /**
   * @param pixels [N, C, H, W] bytes
   * @returns for each picture its classes' probabilities; of a net of one output those of two classes
   * @throws LenetError where the net takes no such pictures, or gives something else than probabilities
   */
  run(pixels: Uint8Array): Float32Array[] {
    const { channels, size } = this.form
    this.#atOnce ||= picturesAtOnce(this.#net, [channels, size, size], batchSize)
    const length = this.#atOnce * this.pictureBytes
    const rows: Float32Array[] = []
    for (let i = 0; i < pixels.length; i += length) rows.push(...this.#some(pixels.subarray(i, i + length)))
    return rows
  }

  #some(pixels: Uint8Array): Float32Array[] {
    const { channels, size } = this.form
    const count = pixels.length / this.pictureBytes
    // A batch of numbers, whose size is an input of the plan: no batch of another size compiles anything.
    const x = tensor(normalised(pixels, this.#tables, size * size), { shape: [count, channels, size, size] })
    const [found, activation] = inEvalMode(this.#net, () => this.#probabilities(x, count))
    const values = found.toTypedArray() as Float32Array
    if (values.some(Number.isNaN)) throw new LenetError('the net gives no numbers (NaN): its weights are not usable')
    const outputs = found.size(1)
    const isOfTwo = outputs === 1 && activation !== 'softmax'
    return Array.from({ length: count }, (_, n) => {
      const row = values.subarray(n * outputs, (n + 1) * outputs)
      return isOfTwo ? Float32Array.of(1 - (row[0] ?? 0), row[0] ?? 0) : row
    })
  }

  #probabilities(x: Tensor, count: number): [found: Tensor, activation: OutputActivation] {
    const given = this.#net(x)
    const found = given.dim() === 1 ? given.view(-1, 1) : given
    if (found.dim() !== 2 || found.size(0) !== count)
      throw new LenetError(
        `the net gives [${given.shape.join(', ')}] for ${count} pictures; expected [pictures, classes]`,
      )
    const activation = this.#activation ?? usualActivation(found.size(1))
    return [activated(found, activation), activation]
  }
}

/** The most probable classes, best first; of equal ones the first. */
export function topOf(probabilities: Float32Array, classes: readonly string[], top: number): Prediction[] {
  const order = Array.from(probabilities.keys()).sort(
    (a, b) => (probabilities[b] ?? 0) - (probabilities[a] ?? 0) || a - b,
  )
  return order.slice(0, top).map((index) => ({
    class: classes[index] ?? String(index),
    index,
    probability: probabilities[index] ?? 0,
  }))
}

/** The most pictures in one run of the net: more take no less time each. */
export const batchSize = 256

/** Pictures decoded at a time. */
const decodedAtOnce = 4

/** Does `work` for all items, a few at a time, and keeps their order. */
export async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T)
  }
  await Promise.all(Array.from({ length: decodedAtOnce }, worker))
  return results
}

function activationOf({ activation }: ClassifierOptions): OutputActivation | undefined {
  if (activation === undefined || activation === 'softmax' || activation === 'sigmoid' || activation === 'none')
    return activation
  throw new UsageError(`classifier: activation ${String(activation)}: there are softmax, sigmoid, none`)
}

function formOf(usual: InputForm, { size, mean, std }: ClassifierOptions): InputForm {
  const form = { ...usual, size: size ?? usual.size, mean: mean ?? usual.mean, std: std ?? usual.std }
  if (!Number.isInteger(form.size) || form.size < 1)
    throw new UsageError(`classifier: size ${form.size}: expected pixels`)
  for (const [name, { length }] of Object.entries({ mean: form.mean, std: form.std }))
    if (length !== 1 && length !== form.channels)
      throw new UsageError(
        `classifier: ${name} has ${length} values, the net's pictures have ${form.channels} channels`,
      )
  return form
}

/**
 * A function that classifies pictures with a net: decodes them (upright, scaled to the net's size), normalises them as
 * for training, runs the net in eval mode without gradients.
 *
 * `const classify = classifier(net, { classes })`, then `await classify('cat.jpg')` or `await classify(bytes)` gives
 * `[{ class: 'cat', index: 3, probability: 0.91 }, …]`, and a list of pictures a list of those.
 * @param model a net, or what `loadModel` gave: then names, size and normalisation are the file's unless options say them
 * @throws UsageError for options that do not fit the net; the function throws LenetError for what is no picture
 */
export function classifier(model: Net | ModelFile, options: ClassifierOptions = {}): Classifier {
  refuseForeign('classifier: the net', model)
  if (isPromise(model)) throw new UsageError('classifier: got a promise: classifier(await loadModel(path))')
  const file = model instanceof nn.Module ? undefined : model
  const net = model instanceof nn.Module ? model : model.net
  const { classes = file?.classes ?? [], top = 5, fit = 'cover' } = options
  const form = formOf(file ? formOfFile(file) : usualForm(net), options)
  const forward = new Forward(net, form, activationOf(options) ?? file?.activation)
  const { size, channels } = form
  const decode = (picture: Picture): Promise<Uint8Array> =>
    decodePicture(
      picture,
      { width: size, height: size, channels, fit },
      typeof picture === 'string' ? picture : 'the bytes given',
    )

  async function some(pictures: readonly Picture[]): Promise<Prediction[][]> {
    const pixels = new Uint8Array(pictures.length * forward.pictureBytes)
    const decoded = await inParallel(pictures, decode)
    decoded.forEach((bytes, i) => pixels.set(bytes, i * forward.pictureBytes))
    return pictures.length === 0 ? [] : forward.run(pixels).map((row) => topOf(row, classes, top))
  }

  async function all(pictures: readonly Picture[]): Promise<Prediction[][]> {
    const found: Prediction[][] = []
    for (let i = 0; i < pictures.length; i += batchSize) found.push(...(await some(pictures.slice(i, i + batchSize))))
    return found
  }

  async function classify(input: Picture | readonly Picture[]): Promise<Prediction[] | Prediction[][]> {
    if (typeof input !== 'string' && !isArrayOf('Uint8Array', input)) return all(input)
    const [first = []] = await all([input])
    return first
  }
  return classify as Classifier
}
