/** Writes each net of peerNets.ts in every format into the folder given, as `lenet convert` does, and logits.json. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeModel } from '../../../src/files/index.js'
import { targetOf, writeModel } from '../../../src/files/model.node.js'
import { netOfModule } from '../../../src/nn/index.js'
import { peerLogits, peerNames, peerNet } from './peerNets.js'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node writePeerFiles.js FOLDER')
const endings = ['.pth', '.safetensors', '.npz', '.onnx', '.keras', '.h5', '.weights.h5', '-tfjs/model.json']

const logits: Record<string, number[]> = {}
for (const name of peerNames) {
  const net = peerNet(name)
  logits[name] = peerLogits(net)
  const data = netOfModule(net, [3, 32, 32], name)
  mkdirSync(join(folder, `${name}-tfjs`), { recursive: true })
  for (const ending of endings)
    await writeModel(await encodeModel(data, targetOf(join(folder, `${name}${ending}`)), name))
}
writeFileSync(join(folder, 'logits.json'), JSON.stringify(logits))
