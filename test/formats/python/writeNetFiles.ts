/**
 * Writes a net as a PyTorch checkpoint with an optimizer in mid-training, and its logits, into the folder given, for
 * check_net.py.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { netParameters, readOnnx, writeNetPth } from '../../../src/formats/index.js'
import type { NetTensor } from '../../../src/formats/net.js'
import { runNet } from '../runNet.js'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node writeNetFiles.js FOLDER')
mkdirSync(folder, { recursive: true })

const fixtures = new URL('../../../../test/formats/fixtures/onnx.json', import.meta.url)
const cases: Readonly<Record<string, { readonly file: string }>> = JSON.parse(readFileSync(fixtures, 'utf8'))
const net = readOnnx(Buffer.from(cases['resnet_kept']?.file ?? '', 'base64'), 'resnet_kept')

const filled = (shape: readonly number[], value: number): NetTensor => {
  return { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(value) }
}
const state = new Map(
  netParameters(net).map(([name, shape]) => [
    name,
    new Map([
      ['exp_avg', filled(shape, 0.5)],
      ['exp_avg_sq', filled(shape, 0.25)],
    ]),
  ]),
)
const optimizer = { name: 'adam', step: 5, settings: { lr: 0.01, eps: 1e-7 }, state } as const
const pictures = [0, 1].map((which) => Float32Array.from({ length: 192 }, (_, i) => Math.sin(i + which)))
const logits = pictures.map((picture) => [...runNet(net, picture)])
writeFileSync(join(folder, 'net.pth'), writeNetPth({ ...net, optimizer }))
writeFileSync(join(folder, 'state.pth'), writeNetPth(net))
writeFileSync(join(folder, 'net.json'), JSON.stringify({ pictures: pictures.map((p) => [...p]), logits }))
