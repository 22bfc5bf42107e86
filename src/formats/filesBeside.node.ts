/**
 * Files that a model keeps beside itself (ONNX's external data, TF.js's weight files): opened only by a plain name, in the
 * model's own folder, and only if they are plain files there: no link leads elsewhere.
 * Not here: which names a model asks for (onnx/tensors.ts, tfjs.ts).
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { LenetError, codeOf } from '../base/index.js'
import { isPlainName } from './onnx/tensors.js'

const largest = 2 ** 31 - 1

/** Where the system has it, links are not followed. */
const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

function readPlainFile(path: string, most: number): Uint8Array {
  const file = openSync(path, flags)
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
 */
export function filesBeside(path: string): (name: string, most?: number) => Uint8Array {
  const folder = dirname(path)
  return (name, most = largest) => {
    if (!isPlainName(name))
      throw new LenetError(`${path}: refused: it asks for the file ${JSON.stringify(name.slice(0, 100))}`)
    const beside = join(folder, name)
    try {
      return readPlainFile(beside, Math.min(most, largest))
    } catch (error) {
      const isLink = ['ELOOP', 'EMLINK'].includes(codeOf(error) ?? '')
      const told = isLink ? `${beside}: refused: it is a link` : fileError(error, beside, 'read').message
      throw new LenetError(`${path}: ${told}`, { cause: error })
    }
  }
}
