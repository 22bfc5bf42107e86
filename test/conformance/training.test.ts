/** A training of LeNet and of LeNet1, with a short last batch: WebAssembly and the interpreter give the same bits. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { deviceInfo } from '../../src/device/index.js'

const run = promisify(execFile)
const script = fileURLToPath(new URL('trainingBits.js', import.meta.url))

async function linesOf(device: string, net: string): Promise<unknown[]> {
  const { stdout } = await run(process.execPath, [script, device, net])
  return stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
}

const skip = deviceInfo().fusedMultiplyAdd
  ? false
  : 'this machine has no fused multiply-add, so the last bits may differ'

for (const net of ['lenet', 'lenet1'])
  test(net, { skip }, async () => {
    const [wasm, interp] = await Promise.all([linesOf('wasm', net), linesOf('interp', net)])
    assert.equal(wasm.length, 12)
    assert.deepEqual(wasm, interp)
  })
