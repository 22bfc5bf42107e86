/** Saving and loading .pth files. Not here: their bytes (formats), what fits into a net (stateDict.ts). */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileError, writeFileAtomicSync } from '../base/fs.node.js'
import { readPth, writePth, writePthObject, type WritableTensor } from '../formats/index.js'
import { Tensor } from '../tensor/index.js'
import { fromPth, toPth, type Loaded } from './pth.js'

const isStateDict = (value: unknown): value is Map<string, Tensor> =>
  value instanceof Map &&
  value.size > 0 &&
  [...value].every(([key, x]) => typeof key === 'string' && x instanceof Tensor)

/** The bytes of a .pth. The same values give the same bytes. */
export function pthBytes(value: unknown): Uint8Array {
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

/**
 * Reads a .pth of PyTorch or ours; nothing of the file is run. Source: torch.load(weights_only=True).
 * @returns what was saved: for a state dict a Map of names and tensors
 * @throws LenetError when it is missing, damaged or holds anything but tensors and plain values
 */
export function load(path: string): Loaded {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
  return fromPth(readPth(bytes, path).whole, basename(path))
}
