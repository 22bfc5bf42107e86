/**
 * One batch of CIFAR-10's "python version": a pickled dict with `data` (uint8 [n, 3072]) and `labels`. It is read by
 * our restricted pickle machine, which runs nothing of the file. Not here: the machine, and the files.
 * Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Python version".
 */
import { LenetError, isArrayOf, isMap } from '../base/index.js'
import { describePickle, NumpyArray, numpyGlobals, unpickle, type PickleValue } from '../formats/index.js'
import { checkLabels, pictureBytes, recordsFromPlanes, type CifarSpec } from './cifarFormat.js'

/** Python 2's strings come as text, Python 3's bytes as bytes: both name the entry. */
function keyText(key: PickleValue): string | undefined {
  if (typeof key === 'string') return key
  return isArrayOf('Uint8Array', key) && key.length < 64 ? String.fromCharCode(...key) : undefined
}

function entriesOf(bytes: Uint8Array, file: string): Map<string, PickleValue> {
  const { value } = unpickle(bytes, numpyGlobals, { where: file })
  if (!isMap(value)) {
    throw new LenetError(`${file} is no CIFAR-10 batch: it holds ${describePickle(value)} where a dict is expected`)
  }
  const named = [...value].flatMap(([key, item]) => {
    const text = keyText(key)
    return text === undefined ? [] : ([[text, item]] as const)
  })
  return new Map(named)
}

/** [n, 3072] bytes; a list of rows is not accepted, nobody writes one. */
function pixelsOf(value: PickleValue | undefined, spec: CifarSpec, file: string): Uint8Array {
  const right =
    value instanceof NumpyArray &&
    value.dtype === '|u1' &&
    value.shape.length === 2 &&
    value.shape[0] === spec.perBatch &&
    value.shape[1] === pictureBytes
  if (right) return value.data
  throw new LenetError(
    `${file} is no CIFAR-10 batch: its data is ${describePickle(value)} where uint8 [${spec.perBatch}, ${pictureBytes}] is expected`,
  )
}

/**
 * Records [perBatch, 3073] in the binary format from a python batch's bytes.
 * Throws LenetError: a pickle that is damaged or asks for anything but NumPy arrays, CIFAR-100's layout, wrong shapes,
 * counts or labels.
 */
export function recordsFromPython(bytes: Uint8Array, spec: CifarSpec, file: string): Uint8Array {
  const entries = entriesOf(bytes, file)
  if (entries.has('fine_labels')) {
    throw new LenetError(`${file} has CIFAR-100's layout (fine_labels and coarse_labels); CIFAR-10 has labels`)
  }
  const labels = entries.get('labels')
  if (!Array.isArray(labels)) {
    throw new LenetError(
      `${file} is no CIFAR-10 batch: its labels are ${describePickle(labels)} where a list is expected`,
    )
  }
  const pixels = pixelsOf(entries.get('data'), spec, file)
  return recordsFromPlanes(checkLabels(labels, spec.perBatch, file), pixels)
}
