/**
 * `lenet convert IN OUT`: a model of one format as a file of another, checked on random pictures before it is written.
 * Not here: reading and writing (room files).
 */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Generator as RandomGenerator, LenetError, UsageError } from '../base/index.js'
import {
  asMade,
  decodeModel,
  encodeModel,
  familyPreprocessing,
  formats,
  meanAndStd,
  notesFor,
  ownScaling,
  parameterCount,
  shownPreprocessing,
  type FormatName,
  type ModelFile,
  type Target,
} from '../files/index.js'
import { targetOf, writeModel } from '../files/model.node.js'
import { logitsOf, type NetFile, type NetPreprocessing } from '../formats/index.js'
import { GraphModule, picturesAtOnce } from '../nn/index.js'
import { fromArray, manualSeed, noGrad, setDevice } from '../tensor/index.js'
import type { Net } from '../train/index.js'
import { checkDevice } from './deviceFlags.js'
import { readModel } from './modelFiles.js'
import { normalizeFlag } from './normalizeFlag.js'
import { createOutput, count } from './output.js'

export interface ConvertOptions {
  readonly model?: string
  /** Of a .pth: { model, optimizer } instead of a bare state dict; of an .h5: the state where Keras 2 goes on from it. */
  readonly optimizer?: boolean
  readonly normalize?: string
  /** MiB for the values of the check. */
  readonly memoryLimit?: number
  readonly json?: boolean
}

/** Pictures of the check, and what their logits may differ by, of logits up to 1. */
const pictures = 64
const tolerance = 1e-4
/** Where the file leaves a picture's size open. */
const usualSide = 32

/** The same bytes in each run, as the net's numbers, some pictures at a time. */
function* randomPictures(
  sizes: readonly number[],
  preprocessing: NetPreprocessing,
  atOnce: number,
): Generator<Float32Array> {
  const [channels = 1] = sizes
  const size = sizes.reduce((product, side) => product * side, 1)
  const { mean, std } = meanAndStd(preprocessing)
  const of = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c] ?? 0
  const random: RandomGenerator = new RandomGenerator(0)
  for (let done = 0; done < pictures; done += atOnce)
    yield random.uniform(new Float32Array(atOnce * size)).map((value, i) => {
      const c = Math.floor((i % size) / (size / channels))
      return (Math.floor(value * 256) / 255 - of(mean, c)) / of(std, c)
    })
}

function logits(net: Net, sizes: readonly number[], preprocessing: NetPreprocessing, atOnce: number): number[] {
  net.eval()
  const all: number[] = []
  for (const some of randomPictures(sizes, preprocessing, atOnce)) {
    const x = fromArray(some, [atOnce, ...sizes], 'f32')
    all.push(
      ...noGrad(() => net(x))
        .toTypedArray()
        .map(Number),
    )
  }
  return all
}

/** The largest difference of logits, and of it what is too much for their size. */
function difference(before: readonly number[], after: readonly number[]): { most: number; allowed: number } {
  if (before.length !== after.length) return { most: Infinity, allowed: 0 }
  const most = before.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (after[i] ?? Number.NaN))), 0)
  return { most, allowed: tolerance * before.reduce((size, value) => Math.max(size, Math.abs(value)), 1) }
}

/** 'unread': the file has one that does not belong to the net. */
type OptimizerFate = 'none' | 'kept' | 'dropped' | 'unread'

interface Plan {
  readonly from: ModelFile
  readonly net: NetFile
  readonly target: Target
  readonly optimizer: OptimizerFate
  /** `--optimizer` was given. */
  readonly forTraining: boolean
  readonly preprocessing: NetPreprocessing
}

const holdsOptimizer = new Set(['keras', 'h5', 'weights'])

function optimizerFate({ format }: Target, net: NetFile, isWanted: boolean): OptimizerFate {
  if (net.optimizer === undefined) return 'none'
  return holdsOptimizer.has(format) || (format === 'pth' && isWanted) ? 'kept' : 'dropped'
}

/** What the file will hold: names, optimizer, and preprocessing where its readers would expect another. */
function planOf(from: ModelFile, target: Target, options: ConvertOptions): Plan {
  const preprocessing = options.normalize === undefined ? from.preprocessing : normalizeFlag(options.normalize)
  const given = from.netFile()
  const whole =
    formats[from.format].family === 'keras' && formats[target.format].family === 'torch'
      ? asMade(given, from.name)
      : given
  const fate = optimizerFate(target, whole, options.optimizer === true)
  const optimizer = fate === 'none' && from.optimizerNotice() !== undefined ? 'unread' : fate
  const { preprocessing: _own, optimizer: state, ...rest } = whole
  const net: NetFile = {
    ...rest,
    ...notesFor(target.format, whole, { classes: whole.classes, preprocessing }),
    ...(optimizer === 'kept' && state !== undefined ? { optimizer: state } : {}),
  }
  return { from, net, target, optimizer, forTraining: options.optimizer === true, preprocessing }
}

/** By the system's number for it: names tell nothing where links lead to it or Net.pth and net.pth are one. */
function isSameFile(path: string, other: string): boolean {
  const [one, two] = [path, other].map((each) => statSync(each, { bigint: true, throwIfNoEntry: false }))
  return one !== undefined && two !== undefined && one.ino === two.ino && one.dev === two.dev
}

function checkPaths(input: string, output: string): void {
  if (isSameFile(input, output)) throw new UsageError(`${output}: IN and OUT are the same file`)
}

export async function convertCommand(input: string, outputPath: string, options: ConvertOptions): Promise<void> {
  const output = createOutput(options.json === true)
  const target = targetOf(outputPath)
  checkPaths(input, target.path)
  manualSeed(0)
  const { memoryLimit } = options
  checkDevice({ device: 'wasm', memoryLimit })
  setDevice('wasm', memoryLimit === undefined ? {} : { memoryLimit }) // a few runs are not worth native code
  const from = await readModel(input, options.model)
  from.notices.forEach((line) => output.notice(line))
  const plan = planOf(from, target, options)
  const files = await encodeModel(plan.net, target, from.path, plan.forTraining)
  const back = await decodeModel(files, target, plan.net)
  const most = check(plan, back)
  await writeModel(files)
  for (const line of tellings(plan, most)) output.text(line)
  const { format, path } = target
  output.event({
    event: 'done',
    from: from.format,
    to: format,
    net: from.name,
    parameters: parameterCount(plan.net),
    maxDifference: most,
    pictures,
    optimizer: plan.optimizer,
    preprocessing: plan.preprocessing,
    model: resolve(path),
  })
}

/** Both sides on the same pictures, each by its own preprocessing. Returns the largest difference. */
function check({ from, net, target, preprocessing }: Plan, back: NetFile): number {
  const shape = net.inputs[0]?.shape ?? []
  const usual = ownScaling(back) ?? familyPreprocessing[formats[target.format].family]
  const after = formats[target.format].bare ? preprocessing : (back.preprocessing ?? usual)
  const end = from.net instanceof GraphModule ? logitsOf(back) : back
  const module = new GraphModule(end, target.path)
  const sizes = shape.map((size) => size ?? usualSide)
  const atOnce = picturesAtOnce(module, sizes, pictures)
  const found = logits(module, sizes, after, atOnce)
  const { most, allowed } = difference(logits(from.net, sizes, preprocessing, atOnce), found)
  if (most <= allowed) return most
  if (Number.isNaN(most)) throw new LenetError(`${target.path} is not written: the net gives no numbers (NaN)`)
  throw new LenetError(
    `${target.path} is not written: the logits of ${pictures} pictures differ by up to ${most.toPrecision(3)}, more than ${tolerance}`,
  )
}

function steps({ optimizer }: NetFile): string {
  if (optimizer === undefined) return ''
  const { name, step, parameters } = optimizer
  const some = parameters === undefined ? '' : ` of ${count(parameters.length, 'tensor')}, the others are frozen`
  return `${name} after ${count(step, 'step')}${some}`
}

/** Who goes on from the state in the file. */
function goesOn(format: FormatName, forTraining: boolean): string {
  if (format !== 'h5') return ''
  return forTraining
    ? ': Keras 2 goes on from it, Keras 3 must compile the model again to train'
    : ' for lenet; Keras begins anew: --optimizer keeps it for Keras 2, .keras files for Keras 3'
}

function tellings({ from, net, target, optimizer, forTraining, preprocessing }: Plan, most: number): string[] {
  const [a, b] = [formats[from.format].title, formats[target.format].title]
  const lines = [
    `${from.path} (${a}: ${from.name}, ${count(parameterCount(net), 'parameter')}) → ${target.path} (${b})`,
    `logits of ${pictures} pictures: max difference ${most === 0 ? '0' : most.toExponential(1)}`,
    `pictures go in as ${shownPreprocessing(preprocessing)}, ${formats[target.format].family === 'keras' ? 'NHWC' : 'NCHW'}`,
  ]
  if (target.format === 'npz' && net.preprocessing !== undefined)
    lines.push('the file cannot say so: read it with --normalize')
  if (optimizer === 'kept') lines.push(`optimizer: ${steps(net)}, kept${goesOn(target.format, forTraining)}`)
  const hint =
    target.format === 'pth'
      ? 'a bare state dict is written; --optimizer writes { model, optimizer }'
      : `${b} files have no place for it`
  if (optimizer === 'dropped') lines.push(`optimizer: ${steps(from.netFile())}, dropped: ${hint}`)
  if (optimizer === 'none' && forTraining) lines.push(`optimizer: ${from.path} has none that could be kept`)
  const notice = from.optimizerNotice()
  if (notice !== undefined) lines.push(notice)
  return lines
}
