/**
 * Writes HDF5 files in memory: groups with attributes of text, and datasets of float32 or one 64-bit integer. The bytes
 * depend on the content alone: modification times are set to zero.
 * Not here: reading (hdf5.ts), what Keras wants in its files.
 */
import type * as H5wasm from 'h5wasm'
import { hdf5, objectAddress, type Hdf5Library } from './hdf5.js'
import { headerMessage, headerMessages } from './hdf5Headers.js'
import type { NetTensor } from './net.js'

/** One text, or a list of texts. */
type Hdf5Attributes = Readonly<Record<string, string | readonly string[]>>

/** A group to be written: attributes and children in order. */
export interface Hdf5Group {
  readonly attributes: Hdf5Attributes
  readonly children: ReadonlyMap<string, Hdf5Group | NetTensor | bigint>
}

/** Attributes beyond this do not fit an object's header; lists are then split into name0, name1 …, as Keras does. */
const mostHeaderBytes = 64_512
const encoder = new TextEncoder()

/** The file whose root is `root`. */
export async function writeHdf5(root: Hdf5Group): Promise<Uint8Array> {
  const library = await hdf5()
  const path = '/write.h5'
  const addresses: number[] = []
  try {
    const file = new library.h5.File(path, 'w', { libver: ['earliest', 'v108'] })
    const datasets: string[] = []
    writeGroup(file, root, datasets)
    file.flush()
    for (const dataset of datasets) addresses.push(addressOf(library, file, dataset))
    file.close()
    const bytes = library.module.FS.readFile(path)
    for (const address of addresses) clearTime(bytes, address)
    return bytes
  } finally {
    if (library.module.FS.analyzePath(path).exists) library.module.FS.unlink(path)
  }
}

function addressOf({ h5 }: Hdf5Library, file: H5wasm.File, path: string): number {
  return objectAddress(new h5.Dataset(file.file_id, path).create_reference().ref_data)
}

/** Version 1 of an object header keeps the seconds behind a version number and three spare bytes. */
function clearTime(bytes: Uint8Array, address: number): void {
  for (const { type, at } of headerMessages(bytes, address, 'the file being written')) {
    if (type === headerMessage.modificationTime) bytes.fill(0, at + 4, at + 8)
  }
}

function writeGroup(group: H5wasm.Group, { attributes, children }: Hdf5Group, datasets: string[]): void {
  for (const [name, value] of Object.entries(attributes)) writeAttribute(group, name, value)
  for (const [name, child] of children) {
    if (typeof child === 'bigint') {
      group.create_dataset({ name, data: BigInt64Array.of(child), shape: [], dtype: '<q' })
    } else if ('data' in child) {
      group.create_dataset({ name, data: child.data, shape: [...child.shape], dtype: '<f' })
    } else {
      writeGroup(group.create_group(name), child, datasets)
      continue
    }
    datasets.push(`${group.path === '/' ? '' : group.path}/${name}`)
  }
}

function writeAttribute(group: H5wasm.Group, name: string, value: string | readonly string[]): void {
  if (typeof value === 'string') {
    group.create_attribute(name, value, [], 'S') // variable length, so that any size fits
    return
  }
  const width = Math.max(1, ...value.map((text) => encoder.encode(text).length))
  const each = Math.max(1, Math.floor(mostHeaderBytes / width))
  if (value.length <= each) return writeTexts(group, name, value, width)
  for (let part = 0; part * each < value.length; part++) {
    writeTexts(group, `${name}${part}`, value.slice(part * each, (part + 1) * each), width)
  }
}

/** Keras writes an empty list as an empty array of numbers; an empty one of texts says the same. */
function writeTexts(group: H5wasm.Group, name: string, texts: readonly string[], width: number): void {
  group.create_attribute(name, [...texts], [texts.length], `S${width}`)
}
