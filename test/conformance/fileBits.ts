/**
 * Prints the SHA-256 of every file that LeNet, trained by one step in WebAssembly, is saved to, one JSON line a file.
 * Not a test: scripts/test-processors.mjs runs it on two processors and compares what they print.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { F, LeNet, optim, saveModel, torch } from '../../src/index.js'
import { setDevice } from '../../src/tensor/index.js'
import { frozenBatch } from '../oracle/frozenBatch.js'

setDevice('wasm', { threads: 2 })
torch.manualSeed(1)
const net = new LeNet(3, 10)
const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
const { pixels, labels } = frozenBatch()
const inputs = torch.tensor(pixels, { shape: [labels.length, 3, 32, 32] }).float()
F.crossEntropy(net(inputs.div(255)), torch.tensor(labels)).backward()
optimizer.step()

const folder = mkdtempSync(join(tmpdir(), 'lenet-bits-'))
try {
  const about = { classes: Array.from('abcdefghij'), preprocessing: 'torch' } as const
  for (const name of ['x.pth', 'x.safetensors', 'x.npz', 'x.onnx', 'x.keras', 'x.h5', 'x.weights.h5', 'tfjs'])
    await saveModel(net, join(folder, name), name === 'x.npz' ? {} : about)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const path = join(folder, name)
    if (statSync(path).isFile())
      console.log(JSON.stringify([name, createHash('sha256').update(readFileSync(path)).digest('hex')]))
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
