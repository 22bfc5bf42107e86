/**
 * Files of weights alone: which net they belong to, told by their names and shapes or by who asks, and the net with
 * these weights. What is not certain is not guessed.
 * Not here: the files' bytes (formats), whole files (read.ts).
 */
import { LenetError, type Shape } from '../base/index.js'
import {
  asFloat32,
  kerasFromNet,
  logitsOf,
  netFromKeras,
  outputActivation,
  outputSize,
  placeLayers,
  readKerasWeights,
  readLooseWeights,
  shownName,
  usualActivation,
  type KerasModel,
  type LooseWeights,
  type NetFile,
  type OutputActivation,
  type PthTensor,
} from '../formats/index.js'
import { namedNets } from '../models/index.js'
import { GraphModule, netOfModule, tensorFromPth, type Layer, type StateDict } from '../nn/index.js'
import { few, inTorchOrder, sameStructure, withNamesOf, withWeights } from './netCompare.js'

/** Makes a net for pictures of so many channels. */
export type MakeNet = (channels: number, classes: number) => Layer

/** Which net it is, by who asks: one that is made for channels and classes, or one that another file holds. */
export type Says = { readonly name: string } & ({ readonly make: MakeNet } | { readonly net: NetFile })

/** A net out of a file. */
export interface Found {
  readonly name: string
  /** Gives logits. */
  readonly module: Layer
  /** What makes probabilities of these. */
  readonly activation: OutputActivation
  /** The net as data, as the file has it. */
  readonly netFile: () => NetFile
  /** The net was taken for one by its shapes only. */
  readonly guessed: boolean
  /** Names of the net's tensors in the order of the file's state dict. */
  readonly order?: readonly string[]
}

type Tensors = ReadonlyMap<string, PthTensor>

/** Of a picture, where nothing tells it. */
export const pictureSide = 32

export const asFound = (name: string, net: NetFile, where: string, guessed = false): Found => ({
  name,
  guessed,
  module: new GraphModule(logitsOf(net), where),
  activation: outputActivation(net),
  netFile: () => net,
})

/** What to do where the net is not told. */
const howToSay =
  'say which net it is with --model lenet, lenet1 or a file of the whole net (in code: the option model, which takes your net too)'

/** One of our nets by its name. */
export const makerOf = (name: string): MakeNet => {
  const net = Object.hasOwn(namedNets, name) ? namedNets[name] : undefined
  if (net === undefined) throw new LenetError(`there is no net ${name}`)
  return (channels, classes) => new net(channels, classes)
}

const layerNames: Readonly<Record<string, string>> = {
  lenet: 'conv1 conv2 fc1 fc2 fc3',
  lenet1: 'conv1 conv2 conv3 fc1 fc2',
}

function byNames(state: { keys(): Iterable<string> }): string | undefined {
  const layers = [...new Set([...state.keys()].map((key) => key.split('.')[0]))].toSorted().join(' ')
  return Object.entries(layerNames).find(([, names]) => names === layers)?.[0]
}

/** Channels of the pictures, and classes: of the first kernel and the last layer. */
function ends(shapes: readonly Shape[]): { channels: number; classes: number } {
  const first = shapes.find((shape) => shape.length === 4)
  const last = shapes.findLast((shape) => shape.length === 1)
  return { channels: first?.[1] ?? 3, classes: last?.[0] ?? 10 }
}

const shapesText = (shapes: readonly Shape[]): string => shapes.map((shape) => shape.join('×')).join(' ')

/** conv2d before conv2d_1, conv2d_2 before conv2d_10; a layer's weight before its bias. */
function inNaturalOrder(state: Tensors): [string, PthTensor][] {
  const key = (name: string): string =>
    name.replace(/\.bias$/, '.~').replaceAll(/\d+/g, (digits) => digits.padStart(8, '0'))
  return [...state].toSorted(([a], [b]) => (key(a) < key(b) ? -1 : 1))
}

/** Of a net's pictures: its first layer for pictures tells. */
export const channelsOf = (net: Layer): number | undefined =>
  net.parameters().find(({ shape }) => shape.length === 4)?.shape[1]

/** One of our nets under other names, Keras's for instance: its shapes, in the file's order or that of the names. */
function byShapes(state: Tensors): { name: string; state: Tensors; order: readonly string[] } | undefined {
  const isPlain = [...state.keys()].every((name) => /\.(weight|bias)$/.test(name))
  if (!isPlain) return undefined
  for (const entries of [[...state], inNaturalOrder(state)]) {
    const shapes = entries.map(([, { shape }]) => shape)
    const { channels, classes } = ends(shapes)
    for (const [name, make] of Object.entries(namedNets)) {
      const wanted = [...new make(channels, classes).stateDict()]
      if (shapesText(wanted.map(([, { shape }]) => shape)) !== shapesText(shapes)) continue
      const keys = new Map(wanted.map(([key], i) => [entries[i]?.[0] ?? '', key]))
      return {
        name,
        state: new Map(wanted.flatMap(([key], i) => (entries[i] ? [[key, entries[i][1]] as const] : []))),
        order: [...state.keys()].flatMap((key) => keys.get(key) ?? []),
      }
    }
  }
  return undefined
}

const tensorsOf = (state: Tensors, path: string): StateDict =>
  new Map([...state].map(([name, tensor]) => [name, tensorFromPth(tensor, `${path}: ${shownName(name)}`)]))

/** Errors of a net that is given a file's weights name the file. */
function inFile<T>(path: string, body: () => T): T {
  try {
    return body()
  } catch (error) {
    throw error instanceof LenetError ? new LenetError(`${path}: ${error.message}`, { cause: error }) : error
  }
}

function made(
  name: string,
  make: MakeNet,
  { state, order = [...state.keys()] }: { readonly state: Tensors; readonly order?: readonly string[] },
  path: string,
  guessed = false,
): Found {
  const { channels, classes } = ends([...state.values()].map(({ shape }) => shape))
  const module = make(state.get('conv1.weight')?.shape[1] ?? channels, classes)
  inFile(path, () => module.loadStateDict(tensorsOf(state, path)))
  return {
    name,
    module,
    activation: usualActivation(classes),
    guessed,
    order,
    netFile: () => netOfModule(module, [channels, pictureSide, pictureSide], path),
  }
}

/**
 * The net of a state dict in PyTorch's layouts.
 * @throws LenetError where it is none that is known and `says` is missing, or where they contradict each other
 */
export function netOfState(state: Tensors, path: string, says: Says | undefined): Found {
  const named = byNames(state)
  if (says !== undefined && named !== undefined && Object.hasOwn(namedNets, says.name) && says.name !== named)
    throw new LenetError(`${path} holds a ${named} (by its names), not the ${says.name} that it is said to be`)
  if (says !== undefined) return said(state, path, says)
  if (named !== undefined) return made(named, makerOf(named), { state }, path)
  const guess = byShapes(state)
  if (guess !== undefined) return made(guess.name, makerOf(guess.name), guess, path, true)
  throw new LenetError(`${path} holds none of the nets lenet and lenet1 (it has ${few(state.keys())}); ${howToSay}`)
}

function said(state: Tensors, path: string, says: Says): Found {
  if ('net' in says) {
    const weights = new Map([...state].map(([name, tensor]) => [name, { ...tensor, data: asFloat32(tensor) }]))
    return { ...asFound(says.name, withWeights(says.net, weights, path), path), order: [...state.keys()] }
  }
  const other = byShapes(state)
  const isOther = other?.name === says.name && byNames(state) === undefined
  return made(says.name, says.make, isOther ? other : { state }, path)
}

/** The net that is made, as data. */
function netOfSays(says: Says, channels: number, classes: number, sides: readonly (number | null)[] = []): NetFile {
  if ('net' in says) return says.net
  const [height, width] = [sides[0] ?? pictureSide, sides[1] ?? pictureSide]
  return netOfModule(says.make(channels, classes), [channels, height, width], `the net ${says.name}`)
}

const looseShapes = (loose: LooseWeights): string[] =>
  loose.flatMap(({ variables }) => variables.map(({ shape }) => shape.join('×'))).toSorted()

const modelShapes = (model: KerasModel): string[] =>
  placeLayers(model, 'the net')
    .flatMap(({ variables }) => variables.map(({ shape }) => shape.join('×')))
    .toSorted()

/** Channels and classes of Keras's weights: kernels are [kh, kw, in, out] and [in, out]; the fewest outputs are classes. */
function looseEnds(loose: LooseWeights): { channels: number; classes: number } {
  const kernels = loose.map(({ variables }) => variables[0]?.shape ?? [])
  const channels = Math.min(...kernels.flatMap((shape) => (shape.length === 4 ? [shape[2] ?? 3] : [])))
  const dense = kernels.filter((shape) => shape.length === 2)
  const ins = new Set(dense.map(([features]) => features))
  const last = dense.find(([, units]) => !ins.has(units))
  return { channels: Number.isFinite(channels) ? channels : 3, classes: last?.[1] ?? dense.at(-1)?.[1] ?? 10 }
}

/**
 * The net of Keras's weights without a model.
 * @throws LenetError as `netOfState`
 */
export async function netOfKerasWeights(
  bytes: Uint8Array,
  path: string,
  says: Says | undefined,
): Promise<{ found: Found; notes: string | undefined; warnings: readonly string[] }> {
  const loose = await readLooseWeights(bytes, path)
  const { channels, classes } = looseEnds(loose)
  const wanted = looseShapes(loose).join(' ')
  const candidates =
    says === undefined ? Object.keys(namedNets).map((name): Says => ({ name, make: makerOf(name) })) : [says]
  for (const candidate of candidates) {
    const net = netOfSays(candidate, channels, classes)
    const { model } = kerasFromNet(net)
    if (says === undefined && modelShapes(model).join(' ') !== wanted) continue
    const { weights, notes, optimizer, warnings } = await readKerasWeights(bytes, path, model)
    const { activation } = net
    const read = netFromKeras({ model, weights, ...(optimizer && { optimizer }) }, path)
    const own = activation === undefined ? read : { ...read, activation }
    const named = byNames(new Map(loose.map(({ name }) => [name, name]))) === candidate.name
    const guessed = says === undefined && !named
    return { found: asFound(candidate.name, own, path, guessed), notes, warnings }
  }
  throw new LenetError(
    `${path} holds none of the nets lenet and lenet1 (it has ${few(loose.map(({ name }) => name))}); ${howToSay}`,
  )
}

/** The net that is said, for the inputs and outputs of another. Throws LenetError where these do not fit it. */
export function saidFor(says: Says, net: NetFile): NetFile {
  const [channels = null, ...sides] = net.inputs[0]?.shape ?? []
  return netOfSays(says, channels ?? 3, outputSize(net) ?? 10, sides)
}

/** One of our nets by its name, for the inputs and outputs of another; undefined where that cannot be. */
function namedFor(name: string, net: NetFile): NetFile | undefined {
  if (!Object.hasOwn(namedNets, name) || net.inputs[0]?.shape.length !== 3) return undefined
  try {
    return saidFor({ name, make: makerOf(name) }, net)
  } catch (error) {
    if (error instanceof LenetError) return undefined // its layers do not fit pictures of that size
    throw error
  }
}

/** Which of our nets it is. */
export const knownName = (net: NetFile): string | undefined =>
  Object.keys(namedNets).find((name) => {
    const own = namedFor(name, net)
    return own !== undefined && sameStructure(net, own)
  })

/** A net of Keras under the names of ours that it is, as PyTorch's state dicts have them; others as they are. */
export function asMade(net: NetFile, name: string): NetFile {
  const own = namedFor(name, net)
  return own !== undefined && sameStructure(net, own) ? withNamesOf(inTorchOrder(net), own) : net
}
