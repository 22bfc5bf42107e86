/**
 * MNIST's idx files: a big-endian header and bytes; pictures [n, 28, 28] and labels [n]. With the checks that each must
 * pass before it is used. Not here: where the files come from (mnistSet.node.ts).
 * Source: http://yann.lecun.com/exdb/mnist, "File formats".
 */
import { LenetError } from '../base/index.js'
import { grouped } from './cifarFormat.js'

export const mnistFiles = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
] as const

export type MnistFile = (typeof mnistFiles)[number]

export const side = 28
export const digitBytes = side * side
export const mnistClasses = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const

/** What the four files must be: tests use smaller ones. */
export interface MnistSpec {
  readonly trainCount: number
  readonly testCount: number
  /** SHA-256 (hexadecimal) of each file, unpacked. */
  readonly sums: Readonly<Record<MnistFile, string>>
}

export const officialMnist: MnistSpec = {
  trainCount: 60_000,
  testCount: 10_000,
  sums: {
    'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
}

export function isPictures(file: MnistFile): boolean {
  return file.includes('images')
}

/** Bytes before the data. */
export function headerBytes(file: MnistFile): number {
  return isPictures(file) ? 16 : 8
}

function countOf(file: MnistFile, spec: MnistSpec): number {
  return file.startsWith('train') ? spec.trainCount : spec.testCount
}

export function fileBytes(file: MnistFile, spec: MnistSpec): number {
  return headerBytes(file) + countOf(file, spec) * (isPictures(file) ? digitBytes : 1)
}

/** The header of a right file: 2051, n, 28, 28 or 2049, n. */
function headerOf(file: MnistFile, spec: MnistSpec): number[] {
  const count = countOf(file, spec)
  return isPictures(file) ? [2051, count, side, side] : [2049, count]
}

/** A whole idx file from its data alone. */
export function idxFile(file: MnistFile, data: Uint8Array, spec: MnistSpec): Uint8Array {
  const bytes = new Uint8Array(headerBytes(file) + data.length)
  const view = new DataView(bytes.buffer)
  for (const [i, word] of headerOf(file, spec).entries()) view.setUint32(4 * i, word)
  bytes.set(data, headerBytes(file))
  return bytes
}

/** Says what is wrong with a file's length; undefined where it is right. */
export function mnistLengthFault(bytes: number, file: MnistFile, spec: MnistSpec): string | undefined {
  const expected = fileBytes(file, spec)
  if (bytes === expected) return undefined
  return `it is ${bytes < expected ? 'cut off' : 'too long'}: ${grouped(bytes)} bytes where ${grouped(expected)} are expected`
}

/** Checks length, header and labels. Throws LenetError that names `from`, what was expected and what was found. */
export function checkIdx(bytes: Uint8Array, file: MnistFile, spec: MnistSpec, from: string): void {
  const fault = mnistLengthFault(bytes.length, file, spec)
  if (fault !== undefined) throw new LenetError(`${from} is not MNIST's ${file}: ${fault}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const expected = headerOf(file, spec)
  const found = expected.map((_, i) => view.getUint32(4 * i))
  if (found.join() !== expected.join()) {
    throw new LenetError(`${from}: its header is ${found.join(', ')} where ${expected.join(', ')} is expected`)
  }
  const wrong = isPictures(file) ? -1 : bytes.subarray(8).findIndex((label) => label > 9)
  if (wrong >= 0)
    throw new LenetError(`${from}: picture ${wrong} has the label ${bytes[8 + wrong]}; MNIST's are 0 to 9`)
}
