/** The picture of a net's structure: labels, planes, windows, and nothing that is not a number. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { structurePicture, type NetStage } from '../../src/report/index.js'

const stages: readonly NetStage[] = [
  { name: 'input', shape: [3, 32, 32], by: [], parameters: 0 },
  { name: 'conv1', shape: [6, 28, 28], by: ['5×5 convolution', 'ReLU'], window: [5, 5], parameters: 456 },
  { name: 'fc', shape: [10], by: ['full connection'], parameters: 47_050 },
]

test('each stage has its name, shape and number of weights; few channels are all drawn', () => {
  const svg = structurePicture('a <net>', stages)
  for (const text of ['a &lt;net&gt;', 'input', '3 @ 32×32', '6 @ 28×28', '456 weights', '47,050 weights', 'ReLU'])
    assert.ok(svg.includes(`>${text}<`), text)
  // the background, 3 + 6 planes, one dense layer, one window
  assert.equal(svg.match(/<rect/g)?.length, 1 + 9 + 1 + 1)
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/)
})

test('many channels are many planes, but not too many; a net of lists alone is drawn too', () => {
  const wide = structurePicture('w', [{ name: 'input', shape: [4096, 8, 8], by: [], parameters: 0 }])
  assert.ok((wide.match(/<rect/g)?.length ?? 0) <= 16)
  const flat = structurePicture('f', [
    { name: 'input', shape: [784], by: [], parameters: 0 },
    { name: 'fc', shape: [10], by: ['full connection'], parameters: 7850 },
  ])
  assert.equal(flat.match(/<polygon/g)?.length, 1)
  assert.doesNotMatch(flat, /NaN/)
})
