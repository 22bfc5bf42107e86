/** What `lenet doctor` says of the cached data: whole, in part, not there. */
import assert from 'node:assert/strict'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { folder, lenet } from './run.js'

/** A cache with so many files of the right length (sparse), and one that is too short. */
function cacheWith(count: number): string {
  const home = folder()
  const data = join(home, 'cifar10')
  mkdirSync(data)
  const names = ['test_batch', ...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}`)]
  for (const [i, name] of names.entries()) {
    const path = join(data, `${name}.bin`)
    writeFileSync(path, '')
    truncateSync(path, i < count ? 30_730_000 : 1000)
  }
  return home
}

async function told(home: string): Promise<{ text: string; cifar10: unknown }> {
  const env = { LENET_HOME: home }
  const [plain, json] = await Promise.all([lenet(['doctor'], { env }), lenet(['doctor', '--json'], { env })])
  assert.deepEqual([plain.code, json.code, plain.stderr, json.stderr], [0, 0, '', ''])
  return { text: plain.stdout, cifar10: (JSON.parse(json.stdout) as { cifar10: unknown }).cifar10 }
}

test('a whole cache is named', async () => {
  const home = cacheWith(6)
  const { text, cifar10 } = await told(home)
  assert.equal(cifar10, join(home, 'cifar10'))
  assert.ok(text.includes(join(home, 'cifar10')))
})

test('a cache in part is not taken for the data', async () => {
  const { text, cifar10 } = await told(cacheWith(2))
  assert.equal(cifar10, null)
  assert.match(text, /incomplete, 2 of 6 files in .*: lenet data cifar10/)
})

test('no cache, or what is no folder', async () => {
  const file = join(folder(), 'file')
  writeFileSync(file, '')
  for (const home of [folder(), file]) {
    const { text, cifar10 } = await told(home)
    assert.equal(cifar10, null)
    assert.match(text, /not fetched yet: lenet data cifar10/)
  }
})
