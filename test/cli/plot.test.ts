/** `lenet summary NET --plot FILE`: nets by name, by file and of one's own, drawn as SVG and PNG. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pictureSize } from '../../src/data/index.node.js'
import { lenetKeras } from '../../src/models/index.js'
import { folder, lenet } from './run.js'

const at = folder()
const plot = async (what: string, name: string, ...more: string[]): Promise<string> => {
  const { code, stdout, stderr } = await lenet(['summary', what, '--plot', join(at, name), ...more])
  assert.equal(code, 0, stderr)
  assert.ok(stdout.includes(join(at, name)))
  return join(at, name)
}

test('lenet1 as SVG: stages in their order, with shapes', async () => {
  const svg = readFileSync(await plot('lenet1', 'a.svg'), 'utf8')
  const texts = Array.from(svg.matchAll(/<text[^>]*>([^<]*)</g), ([, text]) => text)
  assert.ok(texts.includes('LeNet1: 122,570 parameters'))
  const shapes = texts.filter((text) => text?.includes(' @ '))
  assert.deepEqual(shapes, ['3 @ 32×32', '32 @ 30×30', '32 @ 15×15', '64 @ 13×13', '64 @ 6×6', '64 @ 4×4'])
})

test("Keras' idiom and Keras' files have Keras' names; the PNG is a picture", async () => {
  const { width, height } = await pictureSize(readFileSync(await plot('lenet', 'b.png', '--idiom', 'keras')), 'b.png')
  assert.ok(width > 1500 && height > 500)
  const file = join(at, 'model.keras')
  await lenetKeras(1, 4).save(file)
  const svg = readFileSync(await plot(file, 'c.svg', '--json'), 'utf8')
  for (const text of ['max_pooling2d', '1 @ 32×32', '6 @ 28×28', '5×5 convolution', 'ReLU', 'dense_2', '4'])
    assert.ok(svg.includes(`>${text}<`), text)
})

test('a net with a branch is refused by name; so is another ending', async () => {
  const net = join(at, 'net.ts')
  writeFileSync(
    net,
    `import { F, nn, type Tensor } from 'lenet'
export default class Branch extends nn.Module {
  one = new nn.Conv2d(3, 3, 3, { padding: 1 })
  fc = new nn.Linear(3072, 10)
  forward(x: Tensor): Tensor { return this.fc(F.relu(this.one(x)).add(x).flatten(1)) }
}
`,
  )
  const branch = await lenet(['summary', net, '--plot', join(at, 'd.svg')])
  assert.equal(branch.code, 1)
  assert.match(branch.stderr, /^lenet: [^\n]*net\.ts: only nets of layers in a row can be drawn; [^\n]+\n$/)
  assert.equal(existsSync(join(at, 'd.svg')), false)
  const ending = await lenet(['summary', 'lenet', '--plot', 'x.jpg'])
  assert.deepEqual([ending.code, ending.stdout], [2, ''])
  assert.match(ending.stderr, /^lenet: --plot x\.jpg: give a name that ends in \.svg or \.png\n$/)
})
