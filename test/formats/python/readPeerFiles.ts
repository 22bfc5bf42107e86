/**
 * Reads files that other programs wrote: theirs.json in the folder given has an entry { file, net?, logits } for each,
 * where `net` is what `--model` would say of a file of weights alone. The differences go to read.json; it ends with an
 * error where logits differ by more than 1e-5.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readModel } from '../../../src/cli/modelFiles.js'
import { peerLogits } from './peerNets.js'

interface Theirs {
  readonly file: string
  readonly net?: string
  readonly logits: readonly number[]
}

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node readPeerFiles.js FOLDER')
const files: readonly Theirs[] = JSON.parse(readFileSync(join(folder, 'theirs.json'), 'utf8'))
const differences: number[] = []
for (const { file, net: wanted, logits } of files) {
  const { net } = await readModel(join(folder, file), wanted)
  net.eval()
  const got = peerLogits(net)
  const difference = Math.max(...got.map((value, i) => Math.abs(value - (logits[i] ?? Number.NaN))))
  console.log(`ours reads ${file}: ${difference.toExponential(1)}`)
  differences.push(difference)
  if (got.length !== logits.length || !(difference <= 1e-5))
    throw new Error(`${file}: the logits differ: ${difference}`)
}
writeFileSync(join(folder, 'read.json'), JSON.stringify(differences))
