/**
 * Keras's `mnist.npz`: a zip of four npy files, each with a text header and bytes. Not here: npy files of anything but
 * plain bytes.
 * Source: numpy.lib.format's documentation, and keras.datasets.mnist.
 */
import { LenetError } from '../base/index.js'
import { ZipArchive } from '../formats/index.js'
import { fileBytes, headerBytes, idxFile, type MnistFile, type MnistSpec } from './mnistFormat.js'

const members: Readonly<Record<MnistFile, string>> = {
  'train-images-idx3-ubyte': 'x_train.npy',
  'train-labels-idx1-ubyte': 'y_train.npy',
  't10k-images-idx3-ubyte': 'x_test.npy',
  't10k-labels-idx1-ubyte': 'y_test.npy',
}
/** numpy pads the header to 64 or 128 bytes; more than this is no such file. */
const longestHeader = 4096

/** The data of an npy file of uint8 in C order. */
function npyBytes(bytes: Uint8Array, where: string): Uint8Array {
  const magic = String.fromCharCode(...bytes.subarray(0, 6))
  if (magic !== '\x93NUMPY' || bytes.length < 12) throw new LenetError(`${where} is no npy file`)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const [start, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)]
  const header = new TextDecoder().decode(bytes.subarray(start, start + Math.min(length, longestHeader)))
  if (!/'descr':\s*'\|u1'/.test(header) || !/'fortran_order':\s*False/.test(header)) {
    throw new LenetError(
      `${where}: bytes (uint8, C order) are expected, its header says ${header.trim().slice(0, 100)}`,
    )
  }
  return bytes.subarray(start + length)
}

/** One idx file out of `mnist.npz`. Throws LenetError that names the member when it is missing, damaged or of another type. */
export function idxFromNpz(npz: Uint8Array, file: MnistFile, spec: MnistSpec, where: string): Uint8Array {
  const member = members[file]
  const limit = fileBytes(file, spec) - headerBytes(file) + longestHeader
  const bytes = new ZipArchive(npz, where).read(member, limit)
  return idxFile(file, npyBytes(bytes, `${where} (${member})`), spec)
}
