/**
 * Which format bytes are of: their own beginning decides, and not what they hold further on, such as the HDF5 file of weights
 * in a .keras, whose signature may stand where HDF5 files with a user block have theirs.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { formatOf } from '../../src/files/format.js'
import { ZipArchive } from '../../src/formats/index.js'
import { writeZip } from '../../src/formats/zipWriter.js'
import { writeHdf5, type Hdf5Group } from '../../src/formats/hdf5Writer.js'
import { loadModel, nn, saveModel } from '../../src/index.js'
import * as keras from '../../src/keras/index.node.js'

const at = mkdtempSync(join(tmpdir(), 'lenet-format-'))
after(() => rmSync(at, { recursive: true, force: true }))
const file = (name: string): string => join(at, name)

const signature = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a])
/** Where HDF5 looks for its signature. */
const places = [512, 1024, 2048, 4096]

const small = (): keras.Model =>
  keras.sequential([keras.layers.inputLayer({ shape: [4] }), keras.layers.dense(3), keras.layers.activation('relu')])

/** A zip file whose member `name` begins at byte `place`, behind one of zeros. */
function withMemberAt(bytes: Uint8Array, name: string, place: number): Uint8Array {
  const zip = new ZipArchive(bytes, 'the file')
  const members = [...zip.members.keys()].map((key) => [key, zip.read(key)] as const)
  const first = members.filter(([key]) => key === name)
  return writeZip([['zeros', new Uint8Array(place - 128)], ...first, ...members.filter(([key]) => key !== name)])
}

test('a .keras is read wherever its weights begin', async () => {
  await small().save(file('net.keras'))
  const plain = readFileSync(file('net.keras'))
  for (const place of places) {
    const bytes = withMemberAt(plain, 'model.weights.h5', place)
    assert.equal(Buffer.from(bytes).indexOf(signature), place)
    writeFileSync(file('net.keras'), bytes)
    assert.equal((await keras.models.loadModel(file('net.keras'))).countParams(), 15, `weights at byte ${place}`)
    assert.equal((await loadModel(file('net.keras'))).format, 'keras', `weights at byte ${place}`)
  }
})

test('a signature of HDF5 among the weights of another format says nothing', async () => {
  for (const name of ['net.onnx', 'net.safetensors', 'net.npz', 'net.pth']) {
    await saveModel(new nn.Linear(4, 4096), file(name), { inputShape: [4] })
    const bytes = readFileSync(file(name))
    for (const place of [4096, 8192]) signature.copy(bytes, place) // the weights lie there
    assert.equal(await formatOf(bytes, 'a file without an ending'), name.split('.')[1], name)
  }
})

test('an HDF5 file behind a user block is one', async () => {
  await small().save(file('plain.h5'))
  for (const size of [512, 4096]) {
    const block = Buffer.alloc(size, '#!/bin/sh\n')
    writeFileSync(file('block.h5'), Buffer.concat([block, readFileSync(file('plain.h5'))]))
    assert.equal((await keras.models.loadModel(file('block.h5'))).countParams(), 15, `a block of ${size}`)
    assert.equal((await loadModel(file('block.h5'))).format, 'h5', `a block of ${size}`)
  }
})

test('an HDF5 file is a whole model by its attribute, and not by a text in it', async () => {
  const kernel = { shape: [2, 1], data: Float32Array.of(1, 2) }
  const vars: Hdf5Group = { attributes: { name: 'model_config' }, children: new Map([['0', kernel]]) }
  const group = (name: string, child: Hdf5Group): Hdf5Group => ({ attributes: {}, children: new Map([[name, child]]) })
  const bytes = await writeHdf5(group('layers', group('dense', group('vars', vars))))
  assert.equal(await formatOf(bytes, 'net.h5'), 'weights')
})
