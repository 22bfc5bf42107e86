/** Writes safetensors, npy and npz files into the folder given, for check_tensors.py. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeNpy, writeNpz, writeSafetensors, type WritableTensor } from '../../../src/formats/index.js'
import { sampleTensors } from './samples.js'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node writeTensorFiles.js FOLDER')
mkdirSync(folder, { recursive: true })
const tensors = sampleTensors()
const halves: WritableTensor = { shape: [2, 2], data: new Float32Array([0.1, -65504, 2 ** -24, Infinity]) }
tensors.set('half', { ...halves, dtype: 'f16' })
tensors.set('brain', { ...halves, dtype: 'bf16' })
writeFileSync(join(folder, 'all.safetensors'), writeSafetensors(tensors, [['format', 'pt']]))
tensors.delete('brain')
writeFileSync(join(folder, 'all.npz'), writeNpz(tensors))
for (const [name, tensor] of tensors) writeFileSync(join(folder, `${name}.npy`), writeNpy(tensor))
