/** philox against the known answers of Random123 (kat_vectors, philox4x32 10). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { philox, philoxFill } from '../../src/base/index.js'

const ones = 0xffffffff

test('philox4x32-10 gives the known answers of its authors', () => {
  assert.deepEqual(philox(0, 0, [0, 0, 0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8])
  assert.deepEqual(philox(ones, ones, [ones, ones, ones, ones]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd])
  const pi = philox(0xa4093822, 0x299f31d0, [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344])
  assert.deepEqual(pi, [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1])
})

test('philoxFill is the stream of counters, whatever the length', () => {
  const all = philoxFill(new Uint32Array(11), 5, 6, 7, 8)
  for (let i = 0; i < 11; i++) assert.equal(all[i], philox(5, 6, [i >> 2, 0, 7, 8])[i & 3])
  assert.deepEqual(philoxFill(new Uint32Array(6), 5, 6, 7, 8), all.slice(0, 6))
  assert.notDeepEqual(philoxFill(new Uint32Array(11), 5, 6, 7, 9), all)
})
