/** Hostile ONNX files: each is refused with one line, quickly, without much memory; no file but a plain name is asked for. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LenetError } from '../../src/base/errors.js'
import { readOnnx } from '../../src/formats/index.js'
import { hostileOnnxFiles } from './hostileOnnx.js'
import { assertRefused } from './refusal.js'

const path = new URL('../../../test/formats/fixtures/onnx.json', import.meta.url)
const cases: Readonly<Record<string, { readonly file: string }>> = JSON.parse(readFileSync(path, 'utf8'))

for (const { name, bytes, reason } of hostileOnnxFiles) {
  test(`refused: ${name}`, () => {
    const asked: string[] = []
    const files = (wanted: string): Uint8Array => {
      asked.push(wanted)
      return new Uint8Array(64)
    }
    assertRefused(() => readOnnx(bytes, name, files), name, reason)
    assert.ok(
      asked.every((wanted) => wanted === 'w.bin'),
      `asked for ${asked.join()}`,
    )
  })
}

test('after all refusals a good file is still read', () => {
  for (const { name, bytes } of hostileOnnxFiles) assert.throws(() => readOnnx(bytes, name, () => new Uint8Array(64)))
  const given = cases['lenet_script'] ?? assert.fail()
  assert.equal(readOnnx(Buffer.from(given.file, 'base64'), 'good.onnx').nodes.length, 10)
})

test('a damaged file gives a net or one error of ours, whatever byte is changed', () => {
  const whole = ['lenet_script', 'resnet_kept', 'zoo_script_17', 'channels_last'].map((name) =>
    Buffer.from(cases[name]?.file ?? assert.fail(), 'base64'),
  )
  fc.assert(
    fc.property(fc.nat(3), fc.nat(), fc.nat(255), fc.boolean(), (which, at, value, cut) => {
      const file = whole[which] ?? assert.fail()
      const bytes = new Uint8Array(file).slice(0, cut ? at % file.length : undefined)
      bytes[at % Math.max(bytes.length, 1)] = value
      try {
        readOnnx(bytes, 'bad.onnx')
      } catch (error) {
        assert.ok(
          error instanceof LenetError && !error.message.includes('\n'),
          String(error instanceof Error ? error.stack : error),
        )
      }
    }),
    { numRuns: 2000 },
  )
})
