/** V8's switches: one, on the one version that was tried and needs it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enableRelaxedSimd } from '../../src/device/cpu/switches.node.js'

function asked(version: string): string[] {
  const switches: string[] = []
  enableRelaxedSimd(version, (text) => void switches.push(text))
  return switches
}

test('Node 20 has relaxed SIMD behind a switch', () => {
  assert.deepEqual(asked('20.20.2'), ['--experimental-wasm-relaxed-simd'])
})

test('no other Node is asked for anything, those to come neither', () => {
  for (const version of ['21.7.0', '22.0.0', '24.21.0', '25.9.0', '26.10.0', '120.1.0'])
    assert.deepEqual(asked(version), [])
})

test('a V8 that refuses a switch does without', () => {
  enableRelaxedSimd('20.20.2', () => {
    throw new Error('frozen')
  })
})
