/** Tensors printed, against PyTorch's own text (print.json, made by make_print.py). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { DType } from '../../src/base/index.js'
import { formatTensor } from '../../src/tensor/print.js'

interface PrintCase {
  readonly shape: number[]
  readonly dtype: DType
  readonly values?: string
  readonly range?: number
  readonly text: string
}

const arrays = { f32: Float32Array, i32: Int32Array, u8: Uint8Array }
const number = (text: string): number => Number(text.replace('inf', 'Infinity'))

function valuesOf(c: PrintCase): number[] {
  if (c.range !== undefined) return Array.from({ length: c.range }, (_, i) => i)
  return (c.values ?? '').split(' ').filter(Boolean).map(number)
}

test('tensors are printed as PyTorch prints them', () => {
  // Compiled tests lie in dist/test/tensor; what they read stays in the sources.
  const file = new URL('../../../test/tensor/print.json', import.meta.url)
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: PrintCase[] }
  for (const c of cases) {
    const data = arrays[c.dtype].from(valuesOf(c))
    assert.equal(formatTensor(data, c.shape, c.dtype), c.text)
  }
  assert.ok(cases.length >= 20)
})

test('suffixes go on a new line where the line would get too long', () => {
  const short = formatTensor(Float32Array.of(1, 2), [2], 'f32', ['requires_grad=True'])
  assert.equal(short, 'tensor([1., 2.], requires_grad=True)')
  const long = formatTensor(new Float32Array(17), [17], 'f32', ['requires_grad=True'])
  assert.match(long, /0\.\],\n {7}requires_grad=True\)$/)
})
