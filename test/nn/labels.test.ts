/**
 * Labels that are no classes, out of a DataLoader or computed: an error as PyTorch's "Target 4 is out of bounds.", on every
 * device, compiled or not; parameters, running statistics and the optimizer stay as they were.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { F } from '../../src/nn/index.js'
import { noGrad, tensor } from '../../src/tensor/index.js'
import { whyNoCompiler } from '../device/nativeTools.js'

const script = fileURLToPath(new URL('wrongLabels.js', import.meta.url))
const run = promisify(execFile)

const wanted = [
  'Target 4 is out of bounds: label 4 of picture 1 is not one of the 4 classes 0 to 3',
  'Target -3 is out of bounds: label -3 of picture 0 is not one of the 4 classes 0 to 3',
  'Target 4 is out of bounds: label 4 of picture 1 is not one of the 4 classes 0 to 3',
]

describe('wrong labels are told and change nothing', () => {
  for (const [device, losses] of [
    ['wasm', 6],
    ['interp', 6],
    ['native', 1],
  ] as const)
    test(device, { skip: device === 'native' && whyNoCompiler() }, async () => {
      const { stdout } = await run(process.execPath, [script, device, String(losses)])
      const lines = stdout.trim().split('\n')
      assert.equal(lines.length, 4 * losses)
      for (const line of lines) {
        const { name, ...found } = JSON.parse(line) as { name: string }
        assert.deepEqual(found, { messages: wanted, kept: true, after: '' }, name)
      }
    })
})

test('labels to be ignored may be anything, computed or not; others may not', () => {
  const logits = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ])
  const labels = tensor([1, 0], { dtype: 'i32' })
  const computed = labels.sub(1).to('i32') // 0 and −1
  const options = { ignoreIndex: -1 } as const
  const near = (loss: number, value: number): void => assert.ok(Math.abs(loss - value) < 1e-6, `${loss}`)
  // torch 2.15: F.cross_entropy(logits, torch.tensor([0, -1]), ignore_index=-1), and with label_smoothing=0.1
  near(F.crossEntropy(logits, computed, options).item(), 2.40760588645935)
  near(F.crossEntropy(logits, computed, { ...options, labelSmoothing: 0.1 }).item(), 2.30760598182678)
  near(F.nllLoss(logits, computed, options).item(), -1)
  assert.throws(() => F.nllLoss(logits, computed).item(), /Target -1 is out of bounds.*picture 1/)
  assert.throws(() => F.nllLoss(logits, computed.add(3).to('i32'), options).item(), /Target 3 is out of bounds/)
  assert.throws(() => noGrad(() => F.oneHot(computed, 3).toArray()), /Target -1/)
  assert.throws(() => F.oneHot(tensor([0, 3], { dtype: 'i32' }), 3), /Target 3 is out of bounds/)
})
