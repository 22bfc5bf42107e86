/**
 * Rendered C gives the interpreter's bits (NaNs apart): every operation on awkward values, every statement, random
 * kernels, at every width, also where vectors are wider than the machine's and where it has no fused multiply-add.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { aluTable, type AluOp } from '../../src/base/index.js'
import { renderC, verify } from '../../src/compiler/index.js'
import { floatsOf, programOf, wordsOf } from '../device/kernels.js'
import { growKernel, halfBytes, inputWords } from '../device/randomKernel.js'
import { Batch, isX86, noCompiler, takes, type Job } from './c/harness.js'
import { aluJobs, statementJobs } from './c/jobs.js'

const WIDTHS = [4, 8, 16]
const ops = Object.keys(aluTable) as AluOp[]

/** Kernels grown by fast-check's samples; the seed is fixed so that each run compiles the same file. */
function randomJobs(lanes: number, count: number): Job[] {
  const choices = fc.array(fc.nat(1000), { minLength: 30, maxLength: 400, size: 'max' })
  const word = fc.oneof(
    fc.integer(),
    fc.float().map((value) => wordsOf([value])[0]!),
  )
  const words = fc.array(word, { minLength: inputWords(lanes), maxLength: inputWords(lanes) })
  return fc.sample(fc.tuple(choices, words), { numRuns: count, seed: 7 * lanes }).map(([picked, data], i) => {
    const kernel = growKernel(picked, lanes, ops)
    verify(kernel)
    const half = halfBytes(lanes) / 4
    return { name: `random ${i}`, kernel, words: Int32Array.from(data), length: 2 * half, floats: half }
  })
}

function assertSame(job: Job, found: Int32Array, wanted: Int32Array): void {
  const floats = job.floats ?? 0
  assert.deepEqual(floatsOf(found.slice(0, floats)), floatsOf(wanted.slice(0, floats)), job.name)
  assert.deepEqual(found.slice(floats), wanted.slice(floats), job.name)
}

async function assertAgrees(jobs: readonly Job[], flags: readonly string[] = [], level?: string): Promise<void> {
  const batch = new Batch(jobs, 5)
  using compiled = await batch.compiled(flags, level)
  const [found, wanted] = [compiled.run(), batch.interpreted()]
  assert.ok(found)
  jobs.forEach((job, i) => assertSame(job, found[i]!, wanted[i]!))
}

for (const lanes of WIDTHS) {
  test(`C with ${lanes} lanes: operations and statements`, { skip: noCompiler }, () =>
    assertAgrees([...aluJobs(lanes), ...statementJobs(lanes)], [], '-O3'),
  )

  test(`C with ${lanes} lanes: random kernels`, { skip: noCompiler }, () => assertAgrees(randomJobs(lanes, 40)))

  const features = noCompiler || (!isX86 && 'the flags are of x86')
  const plain = features || (!takes('-march=x86-64') && 'this compiler does not know -march=x86-64')
  test(`C with ${lanes} lanes on a machine of SSE2 alone`, { skip: plain }, () =>
    assertAgrees([...aluJobs(lanes), ...statementJobs(lanes), ...randomJobs(lanes, 5)], ['-march=x86-64']),
  )
  if (lanes < 16) continue
  test(`C with ${lanes} lanes on a machine of AVX2`, { skip: features }, () =>
    assertAgrees([...aluJobs(lanes), ...statementJobs(lanes), ...randomJobs(lanes, 5)], ['-mno-avx512f']),
  )
}

test('the same program gives the same text; other widths and mixed ones are refused', () => {
  const [kernel] = randomJobs(8, 1).map((job) => job.kernel)
  assert.ok(kernel)
  assert.deepEqual(renderC(programOf(kernel)), renderC(programOf(randomJobs(8, 1)[0]!.kernel)))
  assert.throws(
    () => renderC(programOf(kernel, { ...kernel, lanes: 4 })),
    /'test' has 4 lanes; a C file has 4, 8 or 16/,
  )
  assert.throws(() => renderC(programOf({ ...kernel, lanes: 32 })), /'test' has 32 lanes/)
})
