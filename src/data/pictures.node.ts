/**
 * Picture files to bytes and back, by sharp, which is loaded when the first picture is: a training on cached data never
 * loads it. Only JPEG, PNG, GIF and WebP are read; every other loader (SVG, TIFF, PDF, …) is blocked before parsing.
 * Not here: folders of pictures (imageFolder.node.ts), or grids of them.
 */
import type { Sharp, SharpOptions } from 'sharp'
import { LenetError, messageOf } from '../base/index.js'

/** What a picture is brought to. */
export interface PictureSize {
  readonly width: number
  readonly height: number
  /** 1: grey; 3: colour (sRGB). */
  readonly channels: number
  /**
   * Of a picture of other proportions: 'cover' (default) keeps its middle; 'contain' the whole of it, with black bars;
   * 'fill' the whole of it, squeezed.
   */
  readonly fit?: PictureFit
}

export type PictureFit = 'cover' | 'contain' | 'fill'

type MakeSharp = (input: Uint8Array | string, options?: SharpOptions) => Sharp

/** A file that claims more is refused before it is decoded (100 million pixels: 300 MB). */
const mostPixels = 100_000_000

let loaded: Promise<MakeSharp> | undefined

async function loadSharp(): Promise<MakeSharp> {
  const { default: sharp } = await import('sharp')
  sharp.cache(false)
  sharp.block({ operation: ['VipsForeignLoad'] })
  sharp.unblock({
    operation: ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadNsgif', 'VipsForeignLoadWebp'],
  })
  return sharp
}

function sharpOnce(): Promise<MakeSharp> {
  loaded ??= loadSharp()
  return loaded
}

/** The reason in a line; what the library says of a picture's size is not clear without the limit. */
function reasonOf(error: unknown, limit: number): string {
  const [first = '', second = ''] = messageOf(error).split('\n')
  const reason = first.trim().endsWith(':') ? `${first.trim()} ${second.trim()}`.replace(/: $/, '') : first
  if (!/pixel limit/.test(reason)) return reason
  return `it claims more than ${limit.toLocaleString('en')} pixels`
}

function pictureError(name: string, error: unknown, limit = mostPixels): LenetError {
  const reason = reasonOf(error, limit)
  return new LenetError(`${name} cannot be read as a picture (JPEG, PNG, GIF and WebP can): ${reason}`, {
    cause: error,
  })
}

/** [height, width, channels] to [channels, height, width]. */
function planes(interleaved: Uint8Array, channels: number): Uint8Array {
  const plane = interleaved.length / channels
  const out = new Uint8Array(interleaved.length)
  for (let c = 0; c < channels; c++) {
    for (let p = 0; p < plane; p++) out[c * plane + p] = interleaved[p * channels + c] ?? 0
  }
  return out
}

/**
 * Width and height of a picture as it is shown: turned upright by its EXIF data. Reads its head only.
 * @throws LenetError: not a picture
 */
export async function pictureSize(bytes: Uint8Array, name: string): Promise<{ width: number; height: number }> {
  const sharp = await sharpOnce()
  try {
    const { autoOrient } = await sharp(bytes, { limitInputPixels: mostPixels }).metadata()
    return { width: autoOrient.width, height: autoOrient.height }
  } catch (error) {
    throw pictureError(name, error)
  }
}

/**
 * One picture as [channels, height, width] bytes: turned upright by its EXIF data, its transparency laid on black, scaled
 * (Lanczos) to cover the size and cropped in the middle, or as `fit` says. An animated picture gives its first frame.
 * @param input a path, or the file's bytes
 * @param name what errors call it; default the path
 * @throws LenetError: not a picture, damaged, cut off, or of more than 100 million pixels
 */
export async function decodePicture(
  input: string | Uint8Array,
  size: PictureSize,
  name = typeof input === 'string' ? input : 'the picture',
): Promise<Uint8Array> {
  const sharp = await sharpOnce()
  try {
    const upright = sharp(input, { limitInputPixels: mostPixels, failOn: 'error' }).autoOrient()
    const fitted = upright
      .resize(size.width, size.height, { fit: size.fit ?? 'cover', background: '#000' })
      .flatten({ background: '#000' })
    const coloured = size.channels === 1 ? fitted.toColourspace('b-w') : fitted.toColourspace('srgb')
    const { data, info } = await coloured.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
    if (info.channels !== size.channels) throw new LenetError(`it has ${info.channels} channels`)
    return planes(data, size.channels)
  } catch (error) {
    throw pictureError(name, error)
  }
}

/**
 * The pixels of a picture exactly as stored, [height, width, 3] bytes.
 * @throws LenetError where it is no picture, damaged, or of another size than the one given
 */
export async function decodeExactRgb(
  bytes: Uint8Array,
  width: number,
  height: number,
  name: string,
): Promise<Uint8Array> {
  const sharp = await sharpOnce()
  try {
    const picture = sharp(bytes, { limitInputPixels: width * height, failOn: 'warning' })
    const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
    const found = `${info.width}×${info.height}, ${info.channels} channels`
    if (data.length !== width * height * 3 || info.width !== width) {
      throw new LenetError(`it is ${found} where ${width}×${height}, 3 channels are expected`)
    }
    return data
  } catch (error) {
    throw pictureError(name, error, width * height)
  }
}

/**
 * A PNG file of [height, width, 3] bytes; the same bytes in give the same file out.
 * @throws LenetError when `rgb` is not width × height × 3 long
 */
export async function encodePng(rgb: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  if (rgb.length !== width * height * 3) {
    throw new LenetError(`encodePng: ${rgb.length} bytes are no picture of ${width}×${height} pixels of 3 bytes`)
  }
  const sharp = await sharpOnce()
  const png = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9, adaptiveFiltering: false })
    .toBuffer()
  return new Uint8Array(png.buffer, png.byteOffset, png.byteLength)
}
