/** Which versions of Node are refused, in one line that says what to do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requireNode } from '../../src/base/nodeVersion.node.js'

test('Node 20.19 and all newer ones are taken, whatever their number', () => {
  for (const version of ['20.19.0', '20.20.2', '22.0.0', '24.21.0', '26.10.0', '31.0.0-nightly']) requireNode(version)
})

test('older ones are refused', () => {
  for (const version of ['18.20.8', '20.18.3', '16.20.2'])
    assert.throws(() => requireNode(version), {
      name: 'LenetError',
      message: `lenet needs Node 20.19 or newer, and this is Node ${version}: install a newer one`,
    })
})
