/**
 * The formats of model files: what each can hold, how its bytes look, and what its name ends in.
 * Not here: reading (read.ts) and writing (write.ts).
 */
import { LenetError } from '../base/index.js'
import { looksLikeHdf5, looksLikeTfjs, ZipArchive } from '../formats/index.js'

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

/** The name of the attribute that holds a whole model's layers. */
const holdsModel = (bytes: Uint8Array): boolean => new TextDecoder('latin1').decode(bytes).includes('model_config')

/** A pickle of the second protocol or later, as old PyTorch files begin. */
const looksLikePickle = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x80 && (bytes[1] ?? 0) >= 2 && (bytes[1] ?? 9) <= 5

const unknown = (path: string): LenetError =>
  new LenetError(`${path}: no model file that is known here (there are ${allEndings()} and TF.js folders)`)

const looksLikeZip = (bytes: Uint8Array): boolean => startsWith(bytes, 'PK\x03\x04')

/** Throws LenetError where the beginning of a file is that of no format; ONNX's first field is its version. */
export function checkHead(head: Uint8Array, path: string): void {
  const looks = [looksLikeZip, looksLikeHdf5, looksLikeTfjs, looksLikeSafetensors, looksLikePickle]
  if (!looks.some((look) => look(head)) && head[0] !== 0x08) throw unknown(path)
}

function formatOfContent(bytes: Uint8Array, path: string): FormatName | undefined {
  if (looksLikeZip(bytes)) return zipFormat(bytes, path)
  if (looksLikeHdf5(bytes)) return holdsModel(bytes) ? 'h5' : 'weights'
  if (looksLikeTfjs(bytes)) return 'tfjs'
  if (looksLikeSafetensors(bytes)) return 'safetensors'
  return looksLikePickle(bytes) ? 'pth' : undefined
}

/** By what the bytes are; where they do not tell, by the name. ONNX begins with no sign of its own. */
export function formatOf(bytes: Uint8Array, path: string): FormatName {
  if (bytes.length === 0) throw new LenetError(`${path}: the file is empty`)
  const found = formatOfContent(bytes, path) ?? formatByEnding(path) ?? (bytes[0] === 0x08 ? 'onnx' : undefined)
  if (found === undefined) throw unknown(path)
  return found
}

/** A file to be written. */
export interface Target {
  readonly format: FormatName
  /** The file, or TF.js's model.json. */
  readonly path: string
}
