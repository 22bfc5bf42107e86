/** Nets of one output on a folder of two classes: trained in Keras' idiom, evaluated, and told by their probabilities. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { encodePng } from '../../src/data/index.node.js'
import { loadModel } from '../../src/files/model.node.js'
import { eventsOf, folder, lenet, type Ended } from './run.js'

const at = folder()
const file = (name: string): string => join(at, name)

for (const [data, names] of [
  ['shades', ['dark', 'light']],
  ['greys', ['black', 'grey', 'white']],
] as const)
  for (const [k, name] of names.entries())
    for (let i = 0; i < 10; i++) {
      mkdirSync(file(`${data}/${name}`), { recursive: true })
      const rgb = Uint8Array.from({ length: 3 * 32 * 32 }, (_, p) => 20 + 90 * k + ((p * (i + 3)) % 60))
      writeFileSync(file(`${data}/${name}/${i}.png`), await encodePng(rgb, 32, 32))
    }

/** A user's net in Keras' idiom: layers before its convolution, and its end. */
function net(name: string, begin: string, end: string): string {
  writeFileSync(
    file(name),
    `import { layers, sequential } from 'lenet/keras'
    export default () => sequential([
      layers.inputLayer({ shape: [32, 32, 3] }), ${begin}
      layers.averagePooling2d(8), layers.flatten(), layers.dense(4, { activation: 'relu' }), ${end},
    ])`,
  )
  return name
}

const train = (model: string, data: string, ...more: string[]): Promise<Ended> =>
  lenet(
    [
      'train',
      '--idiom',
      'keras',
      '--model',
      model,
      '--data',
      data,
      '--epochs',
      '12',
      '--batch-size',
      '4',
      '--lr',
      '0.01',
    ].concat(['--device', 'wasm', '--json', '--out', model.replace('.mjs', ''), ...more]),
    { cwd: at },
  )

const doneOf = ({ code, stdout, stderr }: Ended): Record<string, unknown> => {
  assert.equal(code, 0, stderr)
  return eventsOf(stdout).at(-1) ?? {}
}

const isNear = (found: unknown, wanted: number): boolean => Math.abs(Number(found) - wanted) < 1e-5

describe('a net of one output learns two classes', () => {
  for (const [name, begin, end, scale] of [
    ['sigmoid.mjs', '', "layers.dense(1, { activation: 'sigmoid' })", 1 / 255],
    ['logit.mjs', '', 'layers.dense(1)', 1 / 255],
    [
      'bytes.mjs',
      "layers.randomFlip('horizontal'), layers.rescaling(1 / 255),",
      "layers.dense(1, { activation: 'sigmoid' })",
      1,
    ],
  ] as const)
    test(name, async () => {
      const done = doneOf(await train(net(name, begin, end), 'shades'))
      assert.equal(done['testAccuracy'], 1)
      const path = String(done['model'])
      assert.equal((await loadModel(path)).preprocessing.scale, scale)
      const others = name === 'logit.mjs' ? [file('x.onnx'), file('x-tfjs')] : []
      for (const next of [path, ...others]) {
        if (next !== path) doneOf(await lenet(['convert', path, next, '--json'], { cwd: at }))
        const evaluated = doneOf(
          await lenet(['evaluate', next, '--data', 'shades', '--split', 'train', '--json', '--device', 'wasm'], {
            cwd: at,
          }),
        )
        const { stdout } = await lenet(['predict', next, 'shades/dark', 'shades/light', '--json', '--device', 'wasm'], {
          cwd: at,
        })
        const told = eventsOf(stdout).filter(({ event }) => event === 'prediction')
        assert.equal(told.length, 20)
        for (const { picture, top } of told) {
          const [best, other] = top as { class: string; index: number; probability: number }[]
          assert.ok(best && other && best.probability > 0.5)
          assert.ok(isNear(best.probability + other.probability, 1))
          assert.ok(String(picture).includes(`/${best.class}/`), `${String(picture)}: ${best.class}`)
        }
        assert.equal(evaluated['testAccuracy'], 1, next)
        assert.ok(
          Number(evaluated['testLoss']) > 0 && Number(evaluated['testLoss']) < 0.6,
          String(evaluated['testLoss']),
        )
      }
    })

  test('the loss of evaluate is the binary cross-entropy of what predict tells', async () => {
    const path = file('sigmoid/tf_sigmoid.h5')
    const all = ['--data', 'shades', '--json', '--device', 'wasm']
    const [part, whole] = [
      doneOf(await lenet(['evaluate', path, '--split', 'test', ...all], { cwd: at })),
      doneOf(await lenet(['evaluate', path, '--split', 'train', ...all], { cwd: at })),
    ]
    const { stdout } = await lenet(['predict', path, 'shades/dark', 'shades/light', '--json', '--device', 'wasm'], {
      cwd: at,
    })
    const losses = eventsOf(stdout).flatMap(({ picture, top }) => {
      const found = (top as { class: string; probability: number }[] | undefined)?.find((each) =>
        String(picture).includes(`/${each.class}/`),
      )
      return found ? [-Math.log(found.probability)] : []
    })
    const counted =
      Number(part['testLoss']) * Number(part['count']) + Number(whole['testLoss']) * Number(whole['count'])
    assert.equal(Number(part['count']) + Number(whole['count']), losses.length)
    assert.ok(Math.abs(counted - losses.reduce((a, b) => a + b)) < 1e-4)
  })
})

describe('what does not fit is refused in one line', () => {
  for (const [name, end, data, message] of [
    [
      'one.mjs',
      "layers.dense(1, { activation: 'sigmoid' })",
      'greys',
      /one output a picture, which tells two classes apart; the data has 3/,
    ],
    ['soft.mjs', "layers.dense(1, { activation: 'softmax' })", 'shades', /one output a picture and ends in a softmax/],
    ['many.mjs', "layers.dense(3, { activation: 'sigmoid' })", 'greys', /for labels that do not exclude each other/],
  ] as const)
    test(name, async () => {
      const { code, stderr } = await train(net(name, '', end), data)
      assert.equal(code, 1)
      assert.match(stderr, message)
      assert.equal(stderr.trimEnd().split('\n').length, 1)
    })

  test('evaluate on three classes', async () => {
    const { code, stderr } = await lenet(['evaluate', 'sigmoid/tf_sigmoid.h5', '--data', 'greys'], { cwd: at })
    assert.equal(code, 1)
    assert.match(stderr, /tells 2 classes apart, the data has 3: black, grey, white/)
  })
})
