/**
 * Hostile, damaged and unknown ONNX files, one per class, made here by hand, and why each is refused.
 * Run by itself it writes them: `node dist/test/formats/hostileOnnx.js FOLDER`.
 */
import { ProtoWriter } from '../../src/formats/onnx/proto.js'
import { writeWhenRun, type HostileFile } from './hostileTensors.js'

interface TensorSpec {
  readonly dims?: readonly (number | bigint)[]
  readonly type?: number
  readonly raw?: Uint8Array
  readonly floats?: number
  readonly external?: Readonly<Record<string, string>>
  readonly location?: number
}

const message = (): ProtoWriter => new ProtoWriter()

function pair(key: string, value: string): ProtoWriter {
  return message().text(1, key).text(2, value)
}

function tensor(name: string, { dims = [1], type = 1, raw, floats, external, location }: TensorSpec): ProtoWriter {
  const writer = message()
  for (const size of dims) writer.int(1, size)
  writer.int(2, type).text(8, name)
  if (raw) writer.blob(9, raw)
  if (floats !== undefined) writer.blob(4, new Uint8Array(new Float32Array(floats).buffer))
  for (const [key, value] of Object.entries(external ?? {})) writer.message(13, pair(key, value))
  return external || location !== undefined ? writer.int(14, location ?? 1) : writer
}

type Attribute = number | string | readonly number[] | ProtoWriter

function node(
  op: string,
  inputs: string,
  outputs: string,
  attributes: Record<string, Attribute> = {},
  domain = '',
): ProtoWriter {
  const writer = message()
  for (const input of inputs.split(' ')) writer.text(1, input)
  for (const output of outputs.split(' ')) writer.text(2, output)
  writer.text(4, op).text(7, domain)
  for (const [name, value] of Object.entries(attributes)) {
    const attribute = message().text(1, name)
    if (typeof value === 'number') attribute.int(3, value)
    else if (typeof value === 'string') attribute.text(4, value)
    else if (value instanceof ProtoWriter) attribute.message(5, value)
    else for (const item of value) attribute.int(8, item)
    writer.message(5, attribute)
  }
  return writer
}

/** A value [...dims]; texts are names of sizes. */
function info(name: string, dims: readonly (number | string)[] = ['N', 3, 8, 8], type = 1): ProtoWriter {
  const shape = message()
  for (const size of dims) shape.message(1, typeof size === 'number' ? message().int(1, size) : message().text(2, size))
  return message()
    .text(1, name)
    .message(2, message().message(1, message().int(1, type).message(2, shape)))
}

interface ModelSpec {
  readonly nodes?: readonly ProtoWriter[]
  readonly tensors?: readonly ProtoWriter[]
  readonly input?: ProtoWriter
  readonly opset?: number
  readonly graph?: (graph: ProtoWriter) => void
}

function model({
  nodes = [node('Relu', 'x', 'y')],
  tensors = [],
  input = info('x'),
  opset = 17,
  graph: more,
}: ModelSpec): Uint8Array {
  const graph = message()
  for (const each of nodes) graph.message(1, each)
  for (const each of tensors) graph.message(5, each)
  graph.message(11, input).message(12, info('y', ['N', 'any']))
  more?.(graph)
  return message().int(1, 8).message(7, graph).message(8, message().text(1, '').int(2, opset)).bytes()
}

const bytesOf = (count: number): Uint8Array => new Uint8Array(count)
/** A convolution whose weight is this tensor. */
const conv = (spec: TensorSpec, attributes: Record<string, Attribute> = {}): Uint8Array =>
  model({
    nodes: [node('Conv', 'x w', 'y', attributes)],
    tensors: [tensor('w', { dims: [4, 3, 1, 1], raw: bytesOf(48), ...spec })],
  })
const external = (entry: Record<string, string>): Uint8Array =>
  model({ nodes: [node('Conv', 'x w', 'y')], tensors: [tensor('w', { dims: [4, 3, 1, 1], external: entry })] })
const sizes = (...values: number[]): TensorSpec => {
  return { dims: [values.length], type: 7, raw: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) }
}
const reshape = (...values: number[]): Uint8Array =>
  model({ nodes: [node('Reshape', 'x s', 'y')], tensors: [tensor('s', sizes(...values))] })

const scalar = (name: string, value: number): ProtoWriter =>
  tensor(name, { dims: [], raw: new Uint8Array(Float32Array.of(value).buffer) })

/** A batch normalisation of three channels; a weight of another name has two numbers. */
function norm(attributes: Record<string, Attribute>, weight = 's'): Uint8Array {
  const three: TensorSpec = { dims: [3], raw: bytesOf(12) }
  const own = weight === 's' ? three : { dims: [2], raw: new Uint8Array(Float32Array.of(2, 2).buffer) }
  return model({
    nodes: [node('BatchNormalization', `x ${weight} b m v`, 'y', attributes)],
    tensors: [tensor(weight, own), ...['b', 'm', 'v'].map((name) => tensor(name, three))],
  })
}

function doubled(count: number): ProtoWriter[] {
  return Array.from({ length: count }, (_, i) => node('Concat', `c${i} c${i}`, `c${i + 1}`, { axis: 0 }))
}

/** A field of bytes that claims a length. */
function lying(field: number, length: bigint): Uint8Array {
  return Uint8Array.of(...message().int(1, 8).bytes(), field * 8 + 2, ...varint(length))
}

function varint(value: bigint): number[] {
  const out: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return [...out, Number(rest)]
    out.push(Number(rest & 127n) | 128)
  }
}

/** A message of one field, nested in itself. */
function nested(depth: number): Uint8Array {
  let inner = message()
  for (let i = 0; i < depth; i++) inner = message().message(6, inner)
  return inner.bytes()
}

function many(count: number, part: Uint8Array): Uint8Array {
  const out = new Uint8Array(count * part.length)
  for (let i = 0; i < count; i++) out.set(part, i * part.length)
  return out
}

const files: Record<string, readonly [Uint8Array, RegExp]> = {
  empty: [bytesOf(0), /not an ONNX file/],
  text: [new TextEncoder().encode('this is no model, but a text'), /damaged|truncated/],
  zeros: [bytesOf(1000), /no field begins/],
  lengthPastEnd: [lying(7, 1000n), /1000 bytes are announced/],
  lengthHuge: [lying(7, 2n ** 62n), /bytes are announced/],
  endlessVarint: [new Uint8Array(100).fill(0xff), /a number of more than ten bytes/],
  groups: [Uint8Array.of(0x3b, 0x3c), /field 7 has wire type 3/],
  wrongWireType: [message().int(7, 5).bytes(), /field 7 has wire type 0, not 2/],
  notUtf8: [message().blob(2, Uint8Array.of(0xff)).bytes(), /should be UTF-8/],
  nestedGraphs: [
    model({ nodes: [node('Relu', 'x', 'y').message(5, message().text(1, 'g').blob(6, nested(3000)))] }),
    /its attribute g is a graph/,
  ],
  manyFields: [many(2_000_000, Uint8Array.of(0x32, 0)), /more than 400000 fields/],
  manyNodes: [
    message()
      .int(1, 8)
      .blob(7, many(100_000, Uint8Array.of(0x0a, 0)))
      .bytes(),
    /refused: more than/,
  ],
  twoGraphs: [Uint8Array.of(...model({}), ...model({})), /two graphs/],
  noOutput: [
    message()
      .int(1, 8)
      .blob(7, message().message(11, info('x')).bytes())
      .message(8, message().text(1, '').int(2, 17))
      .bytes(),
    /no input or no output/,
  ],
  oldOpset: [model({ opset: 5 }), /its opset is 5/],
  newOpset: [model({ opset: 99 }), /its opset is 99/],
  cycle: [
    model({ nodes: [node('Add', 'x b', 'a'), node('Relu', 'a', 'b'), node('Relu', 'b', 'y')] }),
    /go in a circle: node a \(Add\), node b \(Relu\)|go in a circle: node b/,
  ],
  cycleOfOne: [model({ nodes: [node('Add', 'x y', 'y')] }), /go in a circle: node y \(Add\)/],
  cycleApart: [
    model({ nodes: [node('Relu', 'x', 'y'), node('Relu', 'q', 'p'), node('Relu', 'p', 'q')] }),
    /go in a circle/,
  ],
  longChainCycle: [
    model({
      nodes: [
        ...Array.from({ length: 15_000 }, (_, i) => node('Relu', `v${i}`, `v${i + 1}`)),
        node('Add', 'v15000 x', 'v0'),
        node('Relu', 'v0', 'y'),
      ],
    }),
    /go in a circle: .*…/,
  ],
  nothingGives: [model({ nodes: [node('Relu', 'ghost', 'y')] }), /nothing gives the value ghost/],
  givenTwice: [model({ nodes: [node('Relu', 'x', 'y'), node('Tanh', 'x', 'y')] }), /its output y is given twice/],
  overInput: [model({ nodes: [node('Relu', 'x', 'x')] }), /its output x is given twice/],
  initializerTwice: [model({ tensors: [tensor('w', {}), tensor('w', {})] }), /two initializers have this name/],
  unknownOp: [
    model({ nodes: [node('NonMaxSuppression', 'x', 'y')] }),
    /the operator NonMaxSuppression is not known here/,
  ],
  prototypeOp: [model({ nodes: [node('constructor', 'x', 'y')] }), /the operator constructor is not known here/],
  unknownDomain: [model({ nodes: [node('Relu', 'x', 'y', {}, 'com.evil')] }), /operators of the domain com\.evil/],
  pythonOp: [
    model({ nodes: [node('PythonOp', 'x', 'y', {}, 'ai.onnx.contrib')] }),
    /operators of the domain ai\.onnx\.contrib/,
  ],
  loop: [model({ nodes: [node('Loop', 'x', 'y')] }), /the operator Loop is not known here/],
  newlineInName: [model({ nodes: [node('Evil\nOp', 'x', 'y')] }), /the operator Evil\\u000aOp/],
  unknownAttribute: [
    model({ nodes: [node('Relu', 'x', 'y', { secret: 1 })] }),
    /its attribute secret is not known here/,
  ],
  attributeTwice: [
    model({ nodes: [node('Flatten', 'x', 'y', { axis: 1 }).message(5, message().text(1, 'axis').int(3, 2))] }),
    /attribute axis twice/,
  ],
  dynamicSize: [model({ input: info('x', ['N', 3, 'height', 8]) }), /size 2 of its shape is 'height'/],
  openSize: [model({ input: info('x', ['N', 3, 0, 8]) }), /size 2 of its shape is '0'/],
  intInput: [model({ input: info('x', ['N', 8], 7) }), /input x: its type is int64/],
  scalarInput: [model({ input: info('x', []) }), /its shape has 0 dimensions/],
  sequenceInput: [
    model({
      input: message()
        .text(1, 'x')
        .message(2, message().blob(4, bytesOf(0))),
    }),
    /input x: its type is/,
  ],
  intWeights: [conv({ type: 6 }), /its weight \(w\) is i32; floats are expected/],
  textWeights: [conv({ type: 8 }), /its type is string/],
  complexWeights: [conv({ type: 14 }), /its type is complex64/],
  unknownType: [conv({ type: 99 }), /its type is 99/],
  shortWeights: [conv({ raw: bytesOf(47) }), /needs 48 bytes and has 47/],
  shapeBomb: [conv({ dims: [2 ** 31, 2 ** 31] }), /needs 18446744073709552000 bytes and has 48/],
  negativeSize: [conv({ dims: [-4, 3, 1, 1] }), /one of its sizes is -4/],
  hugeSize: [conv({ dims: [2n ** 62n] }), /one of its sizes is/],
  manyDims: [conv({ dims: Array.from({ length: 40 }, () => 1) }), /more than 32 dimensions/],
  dataTwice: [conv({ floats: 12 }), /it holds its data in 2 ways/],
  emptyWeights: [
    model({ nodes: [node('Conv', 'x w', 'y')], tensors: [tensor('w', { dims: [4, 3, 1, 1] })] }),
    /needs 48 bytes and has 0/,
  ],
  wrongChannels: [conv({ dims: [4, 1, 1, 3] }), /its input has 3 channels/],
  wrongGroups: [conv({}, { group: 0 }), /in 0 groups/],
  wrongKernel: [conv({}, { kernel_shape: [3, 3] }), /its kernel_shape is \[3, 3\], its weight 1×1/],
  hugePads: [conv({}, { pads: [2 ** 31, 0, 0, 0] }), /its pads are/],
  outputBomb: [conv({}, { pads: [2 ** 30, 2 ** 30, 2 ** 30, 2 ** 30] }), /its output would be/],
  zeroStride: [conv({}, { strides: [0, 1] }), /its strides is \[0, 1\]/],
  negativePads: [conv({}, { pads: [-1, 0, 0, 0] }), /its pads are/],
  conv1d: [conv({}, { strides: [1], pads: [0, 0] }), /its pads are \[0, 0\]/],
  reshapesBatch: [reshape(3, -1, 64), /only shapes that leave the batch alone/],
  reshapesBatchAway: [reshape(-1), /only shapes that leave the batch alone/],
  reshapeTooMuch: [reshape(0, 5, 7), /cannot become/],
  reshapeTwoOpen: [reshape(0, -1, -1), /cannot become/],
  computedWeights: [model({ nodes: [node('Conv', 'x x', 'y')] }), /its input 1 is computed; weights in the file/],
  constantOutput: [
    model({ nodes: [node('Identity', 'w', 'y')], tensors: [tensor('w', { raw: bytesOf(4) })] }),
    /does not depend on the net's input/,
  ],
  secondOutput: [
    model({ nodes: [node('MaxPool', 'x', 'p i', { kernel_shape: [2, 2] }), node('Relu', 'i', 'y')] }),
    /its input i is an output that is not known here/,
  ],
  concatBomb: [
    model({ nodes: [...doubled(60), node('Reshape', 'x c60', 'y')], tensors: [tensor('c0', sizes(1, 2, 3, 4))] }),
    /refused: a list of/,
  ],
  fillBomb: [
    model({
      nodes: [node('ConstantOfShape', 's', 'c'), node('Reshape', 'x c', 'y')],
      tensors: [tensor('s', sizes(100_000, 100_000))],
    }),
    /refused: a constant of 10000000000 items/,
  ],
  manyFills: [
    model({
      nodes: [
        ...Array.from({ length: 500 }, (_, i) => node('ConstantOfShape', 's', `c${i}`)),
        node('Concat', Array.from({ length: 500 }, (_, i) => `c${i}`).join(' '), 'y', { axis: 0 }),
      ],
      tensors: [tensor('s', sizes(1_000_000))],
    }),
    /refused: the file is small and unfolds/,
  ],
  mulTower: [
    model({
      nodes: [
        node('Sigmoid', 'x', 'v0'),
        ...Array.from({ length: 5000 }, (_, i) => node('Mul', `v${i} v${i}`, `v${i + 1}`)),
        node('Conv', 'v5000 w', 'y'),
      ],
      tensors: [tensor('w', { dims: [1], raw: bytesOf(4) })],
    }),
    /its weight is \[1\]/,
  ],
  externalAbsolute: [external({ location: '/etc/passwd' }), /refused: its data is in "\/etc\/passwd"/],
  externalTraversal: [external({ location: '../secret.bin' }), /refused: its data is in "\.\.\/secret\.bin"/],
  externalFolder: [external({ location: 'a/b.bin' }), /refused: its data is in/],
  externalBackslash: [external({ location: '..\\secret.bin' }), /refused: its data is in/],
  externalDrive: [external({ location: 'C:secret.bin' }), /refused: its data is in/],
  externalDots: [external({ location: '..' }), /refused: its data is in/],
  externalZero: [external({ location: 'a\0.bin' }), /refused: its data is in/],
  externalUrl: [external({ location: 'http://example.org/x' }), /refused: its data is in/],
  externalNameless: [external({ offset: '0' }), /refused: its data is in ""/],
  externalLength: [external({ location: 'w.bin', length: '99' }), /its shape needs 48 bytes, its external data has 99/],
  externalOffset: [external({ location: 'w.bin', offset: '1e3' }), /its offset is "1e3"/],
  externalNegative: [external({ location: 'w.bin', offset: '-8' }), /its offset is "-8"/],
  externalPastEnd: [
    external({ location: 'w.bin', offset: '60' }),
    /w\.bin has 64 bytes; bytes 60 to 108 are asked for/,
  ],
  externalInside: [conv({ external: { location: 'w.bin' } }), /it holds its data in 2 ways/],
  externalUnsaid: [conv({ external: { location: 'w.bin' }, location: 0 }), /says its data is inside/],
  sparse: [model({ graph: (graph) => void graph.blob(15, bytesOf(0)) }), /sparse initializers/],
  externalControl: [external({ location: 'a\nb' }), /refused: its data is in "a\\nb"/],
  normTraining: [norm({ training_mode: 1 }), /its training_mode is on/],
  normOwnNames: [norm({}, 'lenet::s'), /its weight is \[2\]; 3 numbers are expected/],
  dropoutTraining: [
    model({
      nodes: [node('Dropout', 'x r t', 'y')],
      tensors: [
        tensor('r', { dims: [], raw: new Uint8Array(Float32Array.of(0.5).buffer) }),
        tensor('t', { dims: [], type: 9, raw: Uint8Array.of(1) }),
      ],
    }),
    /node y \(Dropout\): its training_mode is on/,
  ],
  castWithinGelu: [
    model({
      nodes: [
        node('Div', 'x q', 'a'),
        node('Cast', 'a', 'i', { to: 6 }),
        node('Cast', 'i', 'f', { to: 1 }),
        node('Erf', 'f', 'e'),
        node('Add', 'e o', 'g'),
        node('Mul', 'x g', 'm'),
        node('Mul', 'm h', 'y'),
      ],
      tensors: [scalar('q', Math.SQRT2), scalar('o', 1), scalar('h', 0.5)],
    }),
    /node i \(Cast\): to int32/,
  ],
  ceilValid: [
    model({
      nodes: [node('MaxPool', 'x', 'y', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, auto_pad: 'VALID' })],
    }),
    /its ceil_mode with auto_pad VALID/,
  ],
  autoPad: [conv({}, { auto_pad: 'MOST' }), /its auto_pad is "MOST"/],
  manyPads: [conv({}, { pads: Array.from({ length: 5000 }, () => 1) }), /its pads are \[1, 1, 1, 1, 1, 1, 1, 1\]/],
  inputOfOtherShape: [
    model({
      nodes: [node('Conv', 'x w', 'y')],
      tensors: [tensor('w', { dims: [4, 3, 1, 1], raw: bytesOf(48) })],
      graph: (graph) => void graph.message(11, info('w', [4, 1, 1, 3])),
    }),
    /input w: it is float \[4, 1, 1, 3\], its initializer float \[4, 3, 1, 1\]/,
  ],
  inputOfOtherType: [
    model({
      nodes: [node('Conv', 'x w', 'y')],
      tensors: [tensor('w', { dims: [4, 3, 1, 1], raw: bytesOf(48) })],
      graph: (graph) => void graph.message(11, info('w', [4, 3, 1, 1], 11)),
    }),
    /input w: it is double \[4, 3, 1, 1\], its initializer float/,
  ],
  metadataPreprocessing: [
    Uint8Array.of(
      ...model({}),
      ...message().message(14, pair('lenet.preprocessing', '{"scale": 1, "mean": [0], "std": [0]}')).bytes(),
    ),
    /metadata lenet\.preprocessing: scale, mean and std are expected/,
  ],
  metadataClasses: [
    Uint8Array.of(...model({}), ...message().message(14, pair('lenet.classes', '[1, 2]')).bytes()),
    /metadata lenet\.classes: names of classes are expected/,
  ],
  metadataNoJson: [
    Uint8Array.of(...model({}), ...message().message(14, pair('lenet.classes', '[[[')).bytes()),
    /metadata lenet\.classes: damaged JSON/,
  ],
}

export const hostileOnnxFiles: readonly HostileFile[] = Object.entries(files).map(([name, [bytes, reason]]) => {
  return { name: `${name}.onnx`, bytes, reason }
})

writeWhenRun(import.meta.url, hostileOnnxFiles)
