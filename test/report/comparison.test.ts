/** What the comparison says follows from its figures. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  comparisonPicture,
  comparisonTable,
  comparisonText,
  factors,
  type ComparedRun,
  type CurvePoint,
} from '../../src/report/index.js'

/** Accuracies in percent after each epoch: [training, test]. */
const curve = (values: readonly (readonly [number, number])[]): CurvePoint[] =>
  values.map(([accuracy, valAccuracy], i) => ({
    epoch: i + 1,
    loss: 1.5 - i / 10,
    accuracy: accuracy / 100,
    valLoss: 1.4,
    valAccuracy: valAccuracy / 100,
  }))

function run(change: Partial<ComparedRun> & Pick<ComparedRun, 'epochs'>): ComparedRun {
  const { accuracy = 0, valAccuracy = 0 } = change.epochs.at(-1) ?? {}
  const own = { net: 'lenet', idiom: 'torch', optimizer: 'adam', like: [], parameters: 62_006 } as const
  return {
    ...own,
    trainAccuracy: accuracy,
    testAccuracy: valAccuracy,
    firstLoss: 2.3,
    seconds: 8,
    medianStepMs: 0.5,
    ...change,
  }
}

const chain = [60, 63, 63.5, 63.4, 64].map((last, i) =>
  run({
    idiom: 'keras',
    like: factors.slice(0, i),
    epochs: curve([
      [50, 55],
      [68, last],
    ]),
    firstLoss: i === 4 ? 2.3 : 2.4,
  }),
)
const runs: readonly ComparedRun[] = [
  run({
    epochs: curve([
      [50, 56],
      [69, 64.1],
    ]),
  }),
  ...chain,
  run({
    optimizer: 'sgd',
    epochs: curve([
      [20, 25],
      [40, 45],
    ]),
  }),
  run({
    net: 'lenet1',
    epochs: curve([
      [60, 62],
      [70, 70],
      [80, 72],
    ]),
    parameters: 122_570,
  }),
]

test('the table: defaults and equal first weights, with the article beside', () => {
  const lines = comparisonTable(runs).split('\n')
  assert.equal(lines.length, 2 + 5)
  assert.match(
    lines[2] ?? '',
    /^LeNet +PyTorch +PyTorch's +Adam +62,006 +69\.0 +64\.1 +\+4\.9 .*60-odd %, about 110 s$/,
  )
  assert.match(lines[4] ?? '', /^LeNet +Keras +PyTorch's +Adam .* 63\.0 .*0\.50$/)
  assert.match(lines[6] ?? '', /^LeNet1 +PyTorch .*122,570.*72 %$/)
})

test('the sentences: which default, which optimizer, which gap', () => {
  const text = comparisonText(runs)
  assert.match(text, /with PyTorch's defaults LeNet's test accuracy is 4\.1 points higher than with Keras'/)
  assert.match(text, /The greatest change, \+3\.0 points, comes with PyTorch's initial weights/)
  assert.match(
    text,
    /the mean loss of the first ten batches is PyTorch's but for 0\.0e\+0 \(before: 1\.0e-1\): nothing else is different/,
  )
  assert.match(text, /Adam reaches after 1 epoch what SGD reaches after 2: 45\.0 %/)
  assert.match(text, /LeNet1 80\.0 % on training, 72\.0 % on test pictures, a gap of 8\.0 points/)
  assert.match(
    text,
    /\(70\.0 % in epoch 2\), it knew 70\.0 % of the test pictures, LeNet 64\.1 %: one dense layer less/,
  )
})

test('what the figures do not show is not said', () => {
  const other = [
    run({ epochs: curve([[50, 40]]) }),
    run({ idiom: 'keras', epochs: curve([[50, 40]]), firstLoss: 2.4 }),
    ...factors.map((_, i) =>
      run({ idiom: 'keras', like: factors.slice(0, i + 1), epochs: curve([[50, 40.2]]), firstLoss: 2.4 }),
    ),
    run({ optimizer: 'sgd', epochs: curve([[50, 45]]) }),
    run({ net: 'lenet1', epochs: curve([[50, 39]]) }),
  ]
  const text = comparisonText(other)
  assert.match(text, /no single default changes more than that here/)
  assert.doesNotMatch(text, /nothing else is different|generalise better;/)
  assert.match(text, /SGD is ahead after 1 epoch: 45\.0 %, Adam 40\.0 %/)
  assert.match(text, /does not generalise better in this run/)
  assert.equal(comparisonText([]), '')
})

test('the picture has three charts with their lines', () => {
  const svg = comparisonPicture(runs)
  assert.equal(svg.match(/<polyline/g)?.length, 3 + 2 + 4)
  assert.doesNotMatch(svg, /NaN|Infinity/)
  assert.doesNotMatch(comparisonPicture([]), /NaN|Infinity/)
})
