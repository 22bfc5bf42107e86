/** Writes state.pth and checkpoint.pth into the folder given, for check_pth.py. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writePth, writePthObject } from '../../../src/formats/index.js'
import { sampleCheckpoint, sampleTensors } from './samples.js'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node writeSamples.js FOLDER')
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'state.pth'), writePth(sampleTensors()))
writeFileSync(join(folder, 'checkpoint.pth'), writePthObject(sampleCheckpoint()))
