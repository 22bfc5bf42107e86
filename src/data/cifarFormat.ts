/**
 * CIFAR-10's binary format: six batches of 10,000 records, each one label byte and 3,072 pixel bytes [3, 32, 32]; with
 * the checks that every batch must pass before it is used. Not here: files and where they come from.
 * Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
 */
import { LenetError } from '../base/index.js'

export const batchNames = [
  'data_batch_1',
  'data_batch_2',
  'data_batch_3',
  'data_batch_4',
  'data_batch_5',
  'test_batch',
] as const

export type BatchName = (typeof batchNames)[number]

export const pictureBytes = 3072
export const recordBytes = 3073
const planeBytes = 1024
const classCount = 10

/** What the six batches must be: tests use smaller ones. */
export interface CifarSpec {
  /** Records in a batch. */
  readonly perBatch: number
  /** SHA-256 (hexadecimal) of each batch in the binary format. */
  readonly sums: Readonly<Record<BatchName, string>>
}

/** The official files. */
export const officialCifar10: CifarSpec = {
  perBatch: 10_000,
  sums: {
    data_batch_1: 'cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5',
    data_batch_2: 'a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed',
    data_batch_3: 'bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67',
    data_batch_4: '014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48',
    data_batch_5: '755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add',
    test_batch: '8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b',
  },
}

/** The data set's own names. */
export const cifar10Classes = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const

/** The short names that PyTorch's tutorial uses. */
export const cifar10ShortClasses = [
  'plane',
  'car',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const

export function isBatchName(text: string): text is BatchName {
  return (batchNames as readonly string[]).includes(text)
}

/** Bytes of one batch file: 30,730,000 for the official ones. */
export function batchBytes(spec: CifarSpec): number {
  return spec.perBatch * recordBytes
}

/** A count as people read it: 30,730,000. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US')
}

/** Says what is wrong with a batch's length; undefined where it is right. */
export function lengthFault(bytes: number, spec: CifarSpec): string | undefined {
  const expected = batchBytes(spec)
  if (bytes === expected) return undefined
  if (bytes === spec.perBatch * (recordBytes + 1)) {
    return "it has CIFAR-100's layout (3,074 bytes a picture, with two labels); CIFAR-10 has 3,073"
  }
  const found = bytes < expected ? 'it is cut off' : 'it is too long'
  return `${found}: ${grouped(bytes)} bytes where ${grouped(expected)} are expected (${grouped(spec.perBatch)} pictures of 3,073)`
}

/**
 * Checks the length and every label of one batch, [perBatch, 3073] bytes.
 * Throws LenetError that names `file`, what was expected and what was found.
 */
export function checkRecords(bytes: Uint8Array, spec: CifarSpec, file: string): void {
  const fault = lengthFault(bytes.length, spec)
  if (fault !== undefined) throw new LenetError(`${file} is no CIFAR-10 batch: ${fault}`)
  for (let i = 0; i < spec.perBatch; i++) {
    const label = bytes[i * recordBytes] ?? classCount
    if (label >= classCount) throw new LenetError(`${file}: picture ${i} has the label ${label}; CIFAR-10's are 0 to 9`)
  }
}

/** Labels as bytes. Throws LenetError for another count, or a label that is not an integer from 0 to 9. */
export function checkLabels(labels: readonly unknown[], count: number, file: string): Uint8Array {
  if (labels.length !== count) {
    throw new LenetError(`${file} has ${grouped(labels.length)} labels where ${grouped(count)} are expected`)
  }
  return Uint8Array.from(labels, (label, i) => {
    if (typeof label === 'number' && Number.isInteger(label) && label >= 0 && label < classCount) return label
    throw new LenetError(`${file}: picture ${i} has the label ${String(label)}; CIFAR-10's are 0 to 9`)
  })
}

/** Records [n, 3073] from labels [n] and pixels [n, 3, 32, 32]. */
export function recordsFromPlanes(labels: Uint8Array, pixels: Uint8Array): Uint8Array {
  const out = new Uint8Array(labels.length * recordBytes)
  for (let i = 0; i < labels.length; i++) {
    out[i * recordBytes] = labels[i] ?? 0
    out.set(pixels.subarray(i * pictureBytes, (i + 1) * pictureBytes), i * recordBytes + 1)
  }
  return out
}

/** Records [n, 3073] from labels [n] and pixels [n, 32, 32, 3]. */
export function recordsFromRgb(labels: Uint8Array, rgb: Uint8Array): Uint8Array {
  const out = new Uint8Array(labels.length * recordBytes)
  for (let i = 0; i < labels.length; i++) {
    let from = i * pictureBytes
    const to = i * recordBytes + 1
    out[to - 1] = labels[i] ?? 0
    for (let at = to; at < to + planeBytes; at++) {
      out[at] = rgb[from++] ?? 0
      out[at + planeBytes] = rgb[from++] ?? 0
      out[at + 2 * planeBytes] = rgb[from++] ?? 0
    }
  }
  return out
}
