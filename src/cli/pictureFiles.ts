/** Picture files as a net takes them: folders listed, files read and scaled. Not here: decoding (data), nets. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { LenetError } from '../base/index.js'
import { decodePicture, pictureSize, type PictureFit } from '../data/index.node.js'
import { digitMargin, withMargin } from './dataSets.js'

const pictureName = /\.(?:png|jpe?g|gif|webp)$/i
/** A picture's file is smaller. */
const mostBytes = 2 ** 29
/** A side so much longer than the other: much of the picture is cut off. */
const longSide = 1.5

export const fits = ['cover', 'contain', 'fill'] as const

export const isFit = (name: string): name is PictureFit => (fits as readonly string[]).includes(name)

/** The arguments as files: a folder stands for all pictures in it (not below), in order of their names. */
export async function listPictures(paths: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      const names = await readdir(path).catch(() => [])
      const pictures = names.filter((name) => pictureName.test(name) && !name.startsWith('.')).sort()
      return pictures.length > 0 ? pictures.map((name) => join(path, name)) : [path]
    }),
  )
  return lists.flat()
}

/** A folder that gave no pictures is told when its turn comes, as files are. */
async function refuseFolder(path: string): Promise<never> {
  await readdir(path)
  throw new LenetError(
    `${path}: there are no pictures (PNG, JPEG, GIF, WebP) in that folder; folders in it are not searched`,
  )
}

export interface ReadPicture {
  readonly path: string
  /** [channels, size, size] bytes. */
  readonly pixels: Uint8Array
  /** As it is shown, before it was scaled. */
  readonly width: number
  readonly height: number
  /** Much of it was cut off, because its sides differ much. */
  readonly isCut: boolean
}

/** A pipe would wait for ever, and a device never end. */
async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) return await refuseFolder(path)
    if (!found.isFile()) throw new LenetError(`cannot read ${path}: it is no file`)
    if (found.size === 0) throw new LenetError(`cannot read ${path}: it is empty`)
    if (found.size > mostBytes) throw new LenetError(`cannot read ${path}: it is larger than 512 MiB`)
    return await readFile(path)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/**
 * @param form the net's channels and size
 * @param how.fit what is done with a picture of other proportions
 * @param how.digits put into a margin as MNIST's are, unless the picture has the net's size already
 * @throws LenetError: no such file, no picture, damaged
 */
export async function readPicture(
  path: string,
  form: { readonly channels: number; readonly size: number },
  how: { readonly fit: PictureFit; readonly digits: boolean },
): Promise<ReadPicture> {
  const { channels, size } = form
  const bytes = await bytesOf(path)
  const { width, height } = await pictureSize(bytes, path)
  const margin = how.digits && !(width === size && height === size) ? digitMargin : 0
  const inner = size - 2 * margin
  const decoded = await decodePicture(bytes, { width: inner, height: inner, channels, fit: how.fit }, path)
  const isCut = how.fit === 'cover' && Math.max(width / height, height / width) > longSide
  return { path, pixels: margin > 0 ? withMargin(decoded, channels, inner, margin) : decoded, width, height, isCut }
}
