/**
 * Files that a model keeps beside itself (ONNX's external data, TF.js's weight files): opened only by a plain name, in the
 * model's own folder, and only if they are plain files there: no link leads elsewhere.
 * Not here: which names a model asks for (onnx/tensors.ts, tfjs.ts).
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { LenetError, codeOf } from '../base/index.js'
import { isPlainName } from './onnx/tensors.js'

const largest = 2 ** 31 - 1

/** By which a system refuses to open a link; 0 on Windows, which has no such flag. */
const noFollow = constants.O_NOFOLLOW ?? 0

function readPlainFile(path: string, most: number, noLink: number): Uint8Array {
  if (noLink === 0 && lstatSync(path).isSymbolicLink()) throw new LenetError(`${path}: refused: it is a link`)
  const file = openSync(path, constants.O_RDONLY | noLink | (constants.O_NONBLOCK ?? 0))
  try {
    const stat = fstatSync(file)
    const { size } = stat
    if (!stat.isFile()) throw new LenetError(`${path}: refused: it is no plain file`)
    if (size > most) throw new LenetError(`${path}: refused: it has ${size} bytes, at most ${most} are expected`)
    const { buffer, byteOffset, byteLength } = readFileSync(file)
    return new Uint8Array(buffer, byteOffset, byteLength)
  } finally {
    closeSync(file)
  }
}

/**
 * Reads files beside the model at `path`. Throws LenetError for names with a path in them, links, what is missing, and
 * files of more bytes than the model can want of them.
 * @param noLink the system's flag that refuses links; with 0 they are looked for before
 */
export function filesBeside(path: string, noLink = noFollow): (name: string, most?: number) => Uint8Array {
  const folder = dirname(path)
  return (name, most = largest) => {
    if (!isPlainName(name))
      throw new LenetError(`${path}: refused: it asks for the file ${JSON.stringify(name.slice(0, 100))}`)
    const beside = join(folder, name)
    try {
      return readPlainFile(beside, Math.min(most, largest), noLink)
    } catch (error) {
      const isLink = ['ELOOP', 'EMLINK'].includes(codeOf(error) ?? '')
      const told = isLink ? `${beside}: refused: it is a link` : fileError(error, beside, 'read').message
      throw new LenetError(`${path}: ${told}`, { cause: error })
    }
  }
}
