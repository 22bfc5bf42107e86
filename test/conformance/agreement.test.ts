/** Compiled kernels against the naive reference, and WebAssembly against the interpreter bit for bit. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { evaluate } from '../../src/graph/index.js'
import { device, read } from '../../src/tensor/index.js'
import { cases, nodesOf } from './cases.js'

const largest = (values: ArrayLike<number>): number => Array.from(values, Math.abs).reduce((a, b) => Math.max(a, b), 0)

describe('compiled kernels agree with the reference', () => {
  for (const { name, build } of cases)
    test(name, () => {
      const built = nodesOf(build())
      const expected = nodesOf(build()).map((node) => evaluate(node))
      built.forEach((node, i) => {
        const [found, wanted] = [read(node), expected[i]!]
        assert.equal(found.length, wanted.length)
        const room = 1e-5 * Math.max(1, largest(wanted))
        found.forEach((value, k) =>
          assert.ok(Math.abs(value - wanted[k]!) <= room, `result ${i}, value ${k}: ${value}, expected ${wanted[k]}`),
        )
      })
    })
})

const run = promisify(execFile)

async function digests(name: string): Promise<Map<string, string>> {
  const script = fileURLToPath(new URL('digest.js', import.meta.url))
  const { stdout } = await run(process.execPath, [script, name], { maxBuffer: 1 << 24 })
  return new Map(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, string]),
  )
}

const fused = device().fusedMultiplyAdd
test(
  'WebAssembly and the interpreter give the same bits',
  { skip: fused ? false : 'this machine has no fused multiply-add, so the last bits may differ' },
  async () => {
    const [wasm, interp] = await Promise.all([digests('wasm'), digests('interp')])
    assert.equal(wasm.size, cases.length)
    assert.deepEqual(wasm, interp)
  },
)
