/**
 * The formats of model files: what each can hold, how its bytes look, and what its name ends in.
 * Not here: reading (read.ts) and writing (write.ts).
 */
import { LenetError } from '../base/index.js'
import { holdsKerasModel, looksLikeHdf5, looksLikeTfjs, mayBeHdf5, ZipArchive } from '../formats/index.js'

interface FormatRow {
  /** As people call it. */
  readonly title: string
  /** Whose habits its pictures follow, unless the file says otherwise. */
  readonly family: 'torch' | 'keras'
  /** Weights alone: the net must be recognised, or told. */
  readonly bare: boolean
  readonly endings: readonly string[]
}

export const formats = {
  pth: { title: 'PyTorch', family: 'torch', bare: true, endings: ['.pth', '.pt', '.ckpt'] },
  safetensors: { title: 'safetensors', family: 'torch', bare: true, endings: ['.safetensors'] },
  npz: { title: 'NumPy arrays', family: 'torch', bare: true, endings: ['.npz'] },
  onnx: { title: 'ONNX', family: 'torch', bare: false, endings: ['.onnx'] },
  keras: { title: 'Keras', family: 'keras', bare: false, endings: ['.keras'] },
  weights: { title: 'Keras weights', family: 'keras', bare: true, endings: ['.weights.h5'] },
  h5: { title: 'Keras HDF5', family: 'keras', bare: false, endings: ['.h5', '.hdf5'] },
  tfjs: { title: 'TensorFlow.js', family: 'keras', bare: false, endings: ['.json'] },
} as const satisfies Readonly<Record<string, FormatRow>>

export type FormatName = keyof typeof formats

const isFormat = (name: string): name is FormatName => Object.hasOwn(formats, name)

const formatNames: readonly FormatName[] = Object.keys(formats).filter(isFormat)

/** By the end of its name; undefined for a name that no format has. */
export const formatByEnding = (path: string): FormatName | undefined =>
  formatNames.find((name) => formats[name].endings.some((ending) => path.toLowerCase().endsWith(ending)))

export const allEndings = (): string => formatNames.map((name) => formats[name].endings[0]).join(', ')

const startsWith = (bytes: Uint8Array, text: string, at = 0): boolean =>
  [...text].every((letter, i) => bytes[at + i] === letter.charCodeAt(0))

function zipFormat(bytes: Uint8Array, path: string): FormatName {
  const names = [...new ZipArchive(bytes, path).members.keys()]
  if (names.includes('config.json') || names.includes('model.weights.h5')) return 'keras'
  if (names.length > 0 && names.every((name) => name.endsWith('.npy'))) return 'npz'
  return 'pth'
}

/** A header's length of eight bytes, then JSON. */
const looksLikeSafetensors = (bytes: Uint8Array): boolean =>
  bytes[8] === 0x7b && bytes[4] === 0 && bytes[5] === 0 && bytes[6] === 0 && bytes[7] === 0

/** A pickle of the second protocol or later, as old PyTorch files begin. */
const looksLikePickle = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x80 && (bytes[1] ?? 0) >= 2 && (bytes[1] ?? 9) <= 5

const unknown = (path: string): LenetError =>
  new LenetError(`${path}: no model file that is known here (there are ${allEndings()} and TF.js folders)`)

const looksLikeZip = (bytes: Uint8Array): boolean => startsWith(bytes, 'PK\x03\x04')

/** Its first field is the version of the format; it has no sign of its own. */
const mayBeOnnx = (bytes: Uint8Array): boolean => bytes[0] === 0x08

/** Throws LenetError where the beginning of a file is that of no format. */
export function checkHead(head: Uint8Array, path: string): void {
  const looks = [looksLikeZip, looksLikeSafetensors, looksLikeTfjs, looksLikePickle, mayBeOnnx, mayBeHdf5]
  if (!looks.some((look) => look(head))) throw unknown(path)
}

/** By its own beginning first: what lies further on may be a part that is a file of another format. */
function formatOfContent(bytes: Uint8Array, path: string): FormatName | 'hdf5' | undefined {
  if (looksLikeZip(bytes)) return zipFormat(bytes, path)
  if (looksLikeHdf5(bytes)) return 'hdf5'
  if (looksLikeSafetensors(bytes)) return 'safetensors'
  if (looksLikeTfjs(bytes)) return 'tfjs'
  if (looksLikePickle(bytes)) return 'pth'
  return !mayBeOnnx(bytes) && mayBeHdf5(bytes) ? 'hdf5' : undefined
}

/** By what the bytes are; where they do not tell, by the name. */
export async function formatOf(bytes: Uint8Array, path: string): Promise<FormatName> {
  if (bytes.length === 0) throw new LenetError(`${path}: the file is empty`)
  const found = formatOfContent(bytes, path) ?? formatByEnding(path) ?? (mayBeOnnx(bytes) ? 'onnx' : undefined)
  if (found === undefined) throw unknown(path)
  if (found === 'hdf5') return (await holdsKerasModel(bytes, path)) ? 'h5' : 'weights'
  return found
}

/** A file to be written. */
export interface Target {
  readonly format: FormatName
  /** The file, or TF.js's model.json. */
  readonly path: string
}
