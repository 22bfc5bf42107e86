/** Random kernels: WebAssembly and interpreter give the same bits (NaNs apart), and every one passes the verifier. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aluTable, type AluOp } from '../../src/base/index.js'
import { verify, type LoopKernel } from '../../src/compiler/index.js'
import { floatsOf, interp, outputOf, programOf, wasm, wordsOf } from './kernels.js'
import { growKernel, halfBytes, inputWords } from './randomKernel.js'

const LANES = 4
const WORDS = inputWords(LANES)
const HALF = halfBytes(LANES)

/** Without fused multiply-add in the engine, `fma` cannot agree. */
const ops = (Object.keys(aluTable) as AluOp[]).filter((op) => op !== 'fma' || wasm.fusedMultiplyAdd)

function assertAgrees(kernel: LoopKernel, words: Int32Array, n: number): void {
  const program = programOf(kernel)
  const [found, wanted] = [wasm, interp].map((device) => outputOf(device, program, words, HALF / 2, n))
  assert.ok(found && wanted)
  assert.deepEqual(floatsOf(found.slice(0, HALF / 4)), floatsOf(wanted.slice(0, HALF / 4)))
  assert.deepEqual(found.slice(HALF / 4), wanted.slice(HALF / 4))
}

test('random kernels give the same bits on both devices', () => {
  const choices = fc.array(fc.nat(1000), { minLength: 30, maxLength: 400 })
  const word = fc.oneof(
    fc.integer(),
    fc.float().map((value) => wordsOf([value])[0]!),
  )
  const words = fc.array(word, { minLength: WORDS, maxLength: WORDS })
  fc.assert(
    fc.property(choices, words, fc.integer({ min: 1, max: 9 }), (picked, data, n) => {
      const kernel = growKernel(picked, LANES, ops)
      verify(kernel)
      assertAgrees(kernel, Int32Array.from(data), n)
    }),
    { numRuns: 800 },
  )
})
