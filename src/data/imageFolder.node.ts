/**
 * A folder of pictures as a data set: one folder a class. DIR/train/CLASS/… and DIR/test/CLASS/… are taken as they are;
 * from DIR/CLASS/… every fifth picture of a fixed shuffle is for testing. Not here: decoding (pictures.node.ts).
 */
import { readdirSync, type Dirent } from 'node:fs'
import { join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { Generator, LenetError } from '../base/index.js'
import type { DataProgress, ImageSet } from './imageSet.js'
import { decodePicture } from './pictures.node.js'

export interface ImageFolderOptions {
  readonly dir: string
  /** The pictures to train on, or those to test with. */
  readonly train: boolean
  /** Every picture is scaled and cropped to size × size; default 32, what LeNet takes. */
  readonly size?: number
  /** Only the first so many, of all classes mixed; default all. */
  readonly limit?: number | undefined
  readonly onProgress?: ((progress: DataProgress) => void) | undefined
}

const pictureName = /\.(?:png|jpe?g|gif|webp)$/i
/** Labels are bytes. */
const mostClasses = 256
const testShare = 5
const atOnce = 4

interface Entry {
  readonly path: string
  readonly label: number
}

function list(dir: string): Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    throw fileError(error, dir, 'read')
  }
}

const foldersIn = (dir: string): string[] =>
  list(dir)
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)

/** Classes and pictures of one folder of class folders. */
function entriesOf(dir: string, classes: readonly string[]): Entry[] {
  return classes.flatMap((name, label) =>
    list(join(dir, name))
      .filter((entry) => entry.isFile() && pictureName.test(entry.name))
      .map((entry) => ({ path: join(dir, name, entry.name), label })),
  )
}

function classesOf(dir: string): string[] {
  const classes = foldersIn(dir)
  if (classes.length < 2 || classes.length > mostClasses) {
    throw new LenetError(
      `${dir}: expected a folder for each class (2 to ${mostClasses}), with pictures in it, found ${classes.length}`,
    )
  }
  return classes
}

/** The same order each time; training and test pictures never overlap. */
function shuffled(entries: readonly Entry[]): Entry[] {
  return Array.from(new Generator(0).randperm(entries.length), (i) => entries[i] as Entry)
}

function choose({ dir, train }: ImageFolderOptions): { classes: string[]; entries: Entry[] } {
  const split = foldersIn(dir)
  if (!split.includes('train') || !split.includes('test')) {
    const classes = classesOf(dir)
    const all = shuffled(entriesOf(dir, classes))
    return { classes, entries: all.filter((_, i) => (i % testShare === 0) !== train) }
  }
  const classes = classesOf(join(dir, 'train'))
  const other = foldersIn(join(dir, 'test')).find((name) => !classes.includes(name))
  if (other !== undefined)
    throw new LenetError(`${join(dir, 'test', other)}: there is no class ${other} in ${join(dir, 'train')}`)
  const half = train ? 'train' : 'test'
  const there = new Set(foldersIn(join(dir, half)))
  const missing = classes.find((name) => !there.has(name))
  if (missing !== undefined) throw new LenetError(`${join(dir, half)} has no folder for class ${missing}`)
  return { classes, entries: shuffled(entriesOf(join(dir, half), classes)) }
}

/**
 * Labelled pictures [count, 3, size, size] out of a folder; classes are the folders' names in order.
 * @throws LenetError: no such folder, too few classes, no pictures, or a picture that cannot be read (named)
 */
export async function loadImageFolder(options: ImageFolderOptions): Promise<ImageSet> {
  const { dir, size = 32, limit = Infinity, onProgress } = options
  const { classes, entries: all } = choose(options)
  const entries = all.slice(0, limit)
  if (entries.length === 0) throw new LenetError(`${dir}: there are no pictures (PNG, JPEG, GIF, WebP) in its folders`)
  const bytes = 3 * size * size
  const pixels = new Uint8Array(entries.length * bytes)
  const labels = Uint8Array.from(entries, ({ label }) => label)
  for (let first = 0; first < entries.length; first += atOnce) {
    const some = entries.slice(first, first + atOnce)
    const decoded = await Promise.all(
      some.map(({ path }) => decodePicture(path, { width: size, height: size, channels: 3 })),
    )
    decoded.forEach((picture, i) => pixels.set(picture, (first + i) * bytes))
    const doneBytes = (first + some.length) * bytes
    onProgress?.({ source: dir, doneBytes, totalBytes: pixels.length, message: `${first + some.length} pictures read` })
  }
  return { pixels, labels, count: entries.length, channels: 3, height: size, width: size, classes }
}
