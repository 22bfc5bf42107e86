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
    device: 'native',
    trainCount: 50_000,
    testCount: 10_000,
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
    /^LeNet +PyTorch +PyTorch's +Adam +62,006 +69\.0 +64\.1 ± 0\.5 +\+4\.9 .*native +60-odd %, about 110 s$/,
  )
  assert.match(lines[4] ?? '', /^LeNet +Keras +PyTorch's +Adam .* 63\.0 ± 0\.5 .*0\.50 +native$/)
  assert.match(lines[6] ?? '', /^LeNet1 +PyTorch .*122,570.*72 %$/)
})

test('the sentences: which default, which optimizer, which gap', () => {
  const text = comparisonText(runs)
  assert.match(text, /^±: what 10,000 test pictures leave open/)
  assert.match(text, /these are of 2 epochs of 50,000 pictures, and not to be compared with them/)
  assert.match(text, /with PyTorch's defaults LeNet's test accuracy is 4\.1 ± 0\.7 points higher than with Keras'/)
  assert.match(
    text,
    /In these single runs the greatest change is \+3\.0 ± 0\.7 points with PyTorch's initial weights .*\. The other defaults change nothing that counts\./,
  )
  assert.match(text, /is PyTorch's but for 0\.0e\+0 \(before: 1\.0e-1\): these four are all that these batches show/)
  assert.match(text, /In the end they are 0\.1 ± 0\.7 points apart, no more than the test pictures leave open/)
  assert.match(text, /Adam is faster here: after 2 epochs it is 19\.1 ± 0\.7 points ahead of SGD/)
  assert.match(text, /above SGD's last accuracy \(45\.0 %\) after 1 epoch, with 56\.0 %/)
  assert.match(
    text,
    /LeNet1 knows 80\.0 % of the training pictures and 72\.0 % of the test pictures, a gap of 8\.0 ± 0\.5/,
  )
  assert.match(text, /as well after 2 epochs: 70\.0 % \(mean over the epoch in training\), and 70\.0 % of the test/)
  assert.match(text, /So its gap was 4\.9 ± 0\.7 points smaller: .* a remedy\./)
})

/** One epoch whose figures lie as near as a thousand test pictures cannot tell apart. */
const near = (sgd: number, large: number, small = 0.42): ComparedRun[] => [
  run({ epochs: curve([[50, 40]]), trainAccuracy: small, testCount: 1000, trainCount: 2000 }),
  run({ idiom: 'keras', epochs: curve([[50, 41]]), firstLoss: 2.4, testCount: 1000 }),
  ...factors.map((_, i) =>
    run({
      idiom: 'keras',
      like: factors.slice(0, i + 1),
      epochs: curve([[50, 40.2]]),
      firstLoss: 2.4,
      testCount: 1000,
    }),
  ),
  run({ optimizer: 'sgd', epochs: curve([[50, sgd]]), testCount: 1000 }),
  run({ net: 'lenet1', epochs: curve([[50, large]]), trainAccuracy: 0.41, testCount: 1000 }),
]

test('what the figures do not show is not said', () => {
  const text = comparisonText(near(42, 39, 0.5))
  assert.match(text, /1,000 test pictures are not enough to tell whether there is one: .* 1\.0 ± 2\.2 points lower/)
  assert.match(text, /No single default makes a difference that counts here: not enough to tell/)
  assert.match(text, /\(before: 1\.0e-1\): these four are not all that is different/)
  assert.match(text, /Not enough to tell which is faster: after 1 epoch they are 2\.0 ± 2\.2 points apart/)
  assert.match(text, /LeNet1 knows 41\.0 % .* 39\.0 % .*; that is not enough to tell of a gap \(\+2\.0 ± 1\.6 points\)/)
  assert.match(
    text,
    /not enough to tell whether its shape is a remedy \(its gap is \+1\.0 ± 2\.2 points beside LeNet's\)/,
  )
  assert.doesNotMatch(text, /all that these batches show|is a remedy\.|is faster here/)
  assert.equal(comparisonText([]), '')
})

test('differences the other way are said as they are', () => {
  const text = comparisonText(near(52, 30, 0.5))
  assert.match(text, /SGD is faster here: after 1 epoch it is 12\.0 ± 2\.2 points ahead of Adam\.$/m)
  assert.match(text, /So its gap was 10\.0 ± 2\.1 points larger: here its shape is no remedy/)
  assert.match(comparisonText(near(52, 30)), /LeNet has no gap that counts, there is nothing that LeNet1 could/)
})

test('the picture has three charts with their lines', () => {
  const svg = comparisonPicture(runs)
  assert.equal(svg.match(/<polyline/g)?.length, 3 + 2 + 4)
  assert.doesNotMatch(svg, /NaN|Infinity/)
  assert.doesNotMatch(comparisonPicture([]), /NaN|Infinity/)
})
