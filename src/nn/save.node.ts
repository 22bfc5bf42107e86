/** Saving and loading .pth files. Not here: their bytes (formats), what fits into a net (stateDict.ts). */
import { basename } from 'node:path'
import { isMap } from '../base/index.js'
import { readWholeFile, writeFileAtomicSync } from '../base/fs.node.js'
import {
  readPth,
  selectStateDict,
  writePth,
  writePthObject,
  type PthFile,
  type WritableTensor,
} from '../formats/index.js'
import { ownTensor, type Tensor } from '../tensor/index.js'
import { fromPth, tensorFromPth, toPth, type Loaded } from './pth.js'
import type { StateDict } from './stateDict.js'

const isStateDict = (value: unknown): value is Map<string, Tensor> =>
  isMap(value) &&
  value.size > 0 &&
  [...value].every(([key, x]) => typeof key === 'string' && ownTensor(x) !== undefined)

/** The bytes of a .pth. The same values give the same bytes. */
function pthBytes(value: unknown): Uint8Array {
  if (!isStateDict(value)) return writePthObject(toPth(value))
  return writePth([...value].map(([key, x]) => [key, toPth(x) as WritableTensor] as const))
}

/**
 * Writes a .pth that PyTorch opens with `weights_only=True`: a state dict, or nested dicts and lists of tensors, numbers
 * and texts. The file is whole or not there; a folder that is missing is made. Source: torch.save.
 * @throws LenetError when it cannot be written, or holds something else
 */
export function save(value: unknown, path: string): void {
  writeFileAtomicSync(path, pthBytes(value))
}

function readFile(path: string): PthFile {
  const file = readPth(readWholeFile(path), path)
  // a wrong checksum, say: PyTorch reads such files in silence, we read them and tell
  for (const line of file.warnings) console.warn(`lenet: ${line}`)
  return file
}

/**
 * Reads a .pth of PyTorch or ours; nothing of the file is run. Source: torch.load(weights_only=True).
 * @returns what was saved: for a state dict a Map of names and tensors
 * @throws LenetError when it is missing, damaged or holds anything but tensors and plain values
 */
export function load(path: string): Loaded {
  return fromPth(readFile(path).whole, basename(path))
}

/**
 * The state dict in a .pth, also where it is a part of a checkpoint or its names carry a wrapper's prefix.
 * @param expectedNames the net's own names, to choose by: `net.stateDict().keys()`
 * @throws LenetError as `load`, and when the file holds no state dict
 */
export function loadWeights(path: string, expectedNames?: Iterable<string>): StateDict {
  const found = selectStateDict(readFile(path), expectedNames)
  return new Map([...found].map(([name, x]) => [name, tensorFromPth(x, `${basename(path)}: ${name}`)]))
}
