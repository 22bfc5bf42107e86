/**
 * Reads every .onnx file of the folder given, and writes the logits of the pictures in pictures.json (2 × 3 × 8 × 8), or the
 * sentence with which a file was refused, to logits.json, for check_onnx_zoo.py.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { LenetError } from '../../../src/base/index.js'
import { readOnnx } from '../../../src/formats/index.js'
import { GraphModule } from '../../../src/nn/index.js'
import { fromArray, noGrad } from '../../../src/tensor/index.js'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node readOnnxFiles.js FOLDER')
const pictures: number[] = JSON.parse(readFileSync(join(folder, 'pictures.json'), 'utf8'))

function logits(path: string): number[] | string {
  try {
    const net = new GraphModule(readOnnx(new Uint8Array(readFileSync(path)), basename(path)))
    net.eval()
    return [...noGrad(() => net(fromArray(Float32Array.from(pictures), [2, 3, 8, 8], 'f32'))).toTypedArray()]
  } catch (error) {
    if (error instanceof LenetError) return error.message
    throw error
  }
}

const names = readdirSync(folder).filter((name) => name.endsWith('.onnx'))
const found = names.map((name) => [basename(name, '.onnx'), logits(join(folder, name))])
writeFileSync(join(folder, 'logits.json'), JSON.stringify(Object.fromEntries(found)))
