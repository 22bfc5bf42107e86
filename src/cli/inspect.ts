/** `lenet evaluate`, `lenet summary`, `lenet data`. */
import { LenetError, UsageError } from '../base/index.js'
import { ImageDataset, transforms, type ImageSet } from '../data/index.js'
import { checkChannels, formats, meanAndStd, shownPreprocessing, type ModelFile } from '../files/index.js'
import type { NetPreprocessing } from '../formats/index.js'
import { loadModel } from '../keras/index.node.js'
import { formatTable } from '../report/index.js'
import { manualSeed } from '../tensor/index.js'
import { evaluateNet, type EvaluateEvent, type Evaluation, type Net } from '../train/index.js'
import { fetchData, loadImages, type DataOptions } from './dataSets.js'
import { checkDevice, useDevice, type DeviceFlags } from './deviceFlags.js'
import { kerasMakerOf } from './kerasNets.js'
import { readModel } from './modelFiles.js'
import { isFileOfWeights, makerOf } from './models.js'
import { createOutput, type Output } from './output.js'
import { normalizeFlag } from './normalizeFlag.js'

export interface EvaluateOptions extends DataOptions, DeviceFlags {
  readonly model?: string
  readonly split: string
  readonly limitTest?: number
  /** How bytes become numbers, where the file and its family do not tell it right. */
  readonly normalize?: string
  readonly json?: boolean
}

export async function evaluateCommand(path: string, options: EvaluateOptions): Promise<void> {
  if (!['train', 'test'].includes(options.split))
    throw new UsageError(`--split ${options.split}: there are train and test`)
  const said = options.normalize === undefined ? undefined : normalizeFlag(options.normalize)
  checkDevice(options)
  const output = createOutput(options.json === true)
  const device = useDevice(options, output)
  const model = await readModel(path, options.model)
  model.notices.forEach((line) => output.notice(line))
  const images = await output.task('get the data', () =>
    loadImages(output, options, options.split === 'train', options.limitTest),
  )
  checkFit(model, images)
  const preprocessing = said ?? model.preprocessing
  const set = normalised(images, preprocessing, path)
  output.info(`pictures go in as ${shownPreprocessing(preprocessing)}`)
  const { loss, accuracy, count } = await output.task(`evaluate ${model.name}`, () =>
    evaluateWithProgress(output, model, set),
  )
  device.tell()
  output.text(`${options.split} accuracy: ${(100 * accuracy).toFixed(2)}%, loss: ${loss.toFixed(4)}, ${count} pictures`)
  const done: EvaluateEvent = { event: 'done', testAccuracy: accuracy, testLoss: loss, count }
  output.event(done)
}

function normalised(images: ImageSet, preprocessing: NetPreprocessing, path: string): ImageDataset {
  checkChannels(preprocessing, images.channels, path)
  const { mean, std } = meanAndStd(preprocessing)
  const each = (values: readonly number[]): number[] =>
    Array.from({ length: images.channels }, (_, c) => values[values.length === 1 ? 0 : c] ?? 0)
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize(each(mean), each(std))])
  return new ImageDataset(images, { transform })
}

async function evaluateWithProgress(output: Output, model: ModelFile, set: ImageDataset): Promise<Evaluation> {
  const progress = output.progress({ label: 'evaluate' })
  const tell = (done: number, of: number): void => progress.update(done, undefined, of)
  const found = await evaluateNet(model.net, set, tell, model.activation)
  progress.clear()
  return found
}

/** A label that the net has no output for would not be counted wrong but read as nothing. */
function checkFit({ path, outputs, activation, inputShape }: ModelFile, images: ImageSet): void {
  const { classes, channels, height, width } = images
  const told = outputs === 1 && activation !== 'softmax' ? 2 : outputs
  if (told !== undefined && told !== classes.length)
    throw new LenetError(
      `${path} tells ${told} classes apart, the data has ${classes.length}: ${classes.join(', ')}; --data names another set, or a folder`,
    )
  const found = [channels, height, width]
  const fits = inputShape.length === 3 && inputShape.every((size, i) => size === null || size === found[i])
  if (!fits)
    throw new LenetError(
      `${path} takes inputs of [${inputShape.map((size) => size ?? 'any').join(', ')}], the data has pictures of [${found.join(', ')}]`,
    )
}

interface SummaryOptions {
  readonly idiom?: string
  readonly json?: boolean
  readonly model?: string
}

interface Row {
  readonly name: string
  readonly shape: readonly number[]
  readonly count: number
}

/** The net as PyTorch prints it with its parameters in a table, or as Keras does. */
export async function summaryCommand(what: string, options: SummaryOptions): Promise<void> {
  const { idiom } = options
  if (idiom !== undefined && idiom !== 'torch' && idiom !== 'keras')
    throw new UsageError(`--idiom ${idiom}: there are torch and keras`)
  const output = createOutput(options.json === true)
  manualSeed(0)
  if (isFileOfWeights(what)) return summaryOfFile(what, options, output)
  if (idiom === 'keras') return tellKeras(output, (await kerasMakerOf(what))(3, 10))
  tellTorch(output, (await makerOf(what))(3, 10))
}

async function summaryOfFile(path: string, { idiom, model: said }: SummaryOptions, output: Output): Promise<void> {
  const model = await readModel(path, said)
  model.notices.forEach((line) => output.notice(line))
  const { bare, family, title } = formats[model.format]
  output.text(`${path}: ${title}, ${model.name}; pictures go in as ${shownPreprocessing(model.preprocessing)}`)
  output.text('')
  const isWhole = !bare && model.format !== 'tfjs'
  if (family === 'keras' && isWhole && idiom !== 'torch') {
    const keras = await loadModel(path).catch(() => undefined) // layers that the idiom does not know
    if (keras !== undefined) return tellKeras(output, keras)
  }
  if (idiom === 'keras')
    throw new LenetError(
      `${path}: it cannot be shown in Keras' idiom; it is no Keras file of layers that are known there`,
    )
  tellTorch(output, model.net)
}

function tellTorch(output: Output, net: Net): void {
  const rows = net.namedParameters().map(([name, { shape }]) => rowOf(name, shape))
  output.text(String(net))
  output.text('')
  const cells = rows.map(({ name, shape, count }) => [name, `[${shape.join(', ')}]`, count.toLocaleString('en')])
  output.text(
    formatTable([...cells, ['all', '', totalOf(rows).toLocaleString('en')]], {
      header: ['parameter', 'shape', 'count'],
      align: ['left', 'left', 'right'],
    }),
  )
  output.event({ event: 'summary', parameters: rows, total: totalOf(rows) })
}

/** What is told of a Keras model. */
type KerasModel = Awaited<ReturnType<typeof loadModel>>

function tellKeras(output: Output, model: KerasModel): void {
  const rows = model.trainableWeights.map(({ path, shape }) => rowOf(path, shape))
  if (!output.json) model.summary({ lineLength: 80 })
  output.event({ event: 'summary', parameters: rows, total: totalOf(rows) })
}

const rowOf = (name: string, shape: readonly number[]): Row => ({
  name,
  shape,
  count: shape.reduce((a, b) => a * b, 1),
})

const totalOf = (rows: readonly Row[]): number => rows.reduce((sum, { count }) => sum + count, 0)

export async function dataCommand(
  name: string,
  options: { dir?: string; verify?: boolean; json?: boolean },
): Promise<void> {
  const output = createOutput(options.json === true)
  const { folder, source } = await fetchData(output, {
    data: name,
    dataDir: options.dir,
    verify: options.verify === true,
  })
  output.text(`${name} is in ${folder} (from: ${source}), verified`)
  output.event({ event: 'done', folder, source })
}
