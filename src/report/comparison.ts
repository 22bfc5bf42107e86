/**
 * The article's comparison as text and picture: both nets in both idioms, which default explains which difference, Adam
 * beside SGD, training beside test. Every sentence follows from the figures. Not here: the trainings (cli).
 */
import { lineChart, type Series } from './chart.js'
import { percentTick, type CurvePoint } from './curves.js'
import { lineColors, svgSheet, svgText } from './svg.js'
import { formatTable } from './table.js'

export type ComparedNet = 'lenet' | 'lenet1'
/** What of a Keras run is as in PyTorch. */
export const factors = ['weights', 'pictures', 'epsilon', 'order'] as const
export type Factor = (typeof factors)[number]

export interface ComparedRun {
  readonly net: ComparedNet
  readonly idiom: 'torch' | 'keras'
  readonly optimizer: 'adam' | 'sgd'
  readonly like: readonly Factor[]
  readonly parameters: number
  readonly epochs: readonly CurvePoint[]
  /** Mean loss of the first ten batches; NaN where there are fewer. */
  readonly firstLoss: number
  /** Fractions, in evaluation mode. */
  readonly trainAccuracy: number
  readonly testAccuracy: number
  /** Of the training, with an evaluation of the test pictures after each epoch. */
  readonly seconds: number
  readonly medianStepMs: number
}

const netNames = { lenet: 'LeNet', lenet1: 'LeNet1' } as const
const idiomNames = { torch: 'PyTorch', keras: 'Keras' } as const
/** The article's own figures: test accuracy, and time of ten epochs on a GPU. */
const article = {
  lenet: { torch: '60-odd %, about 110 s', keras: '60-odd %, 55 s' },
  lenet1: { torch: '72 %', keras: '70 %' },
} as const

const told: Readonly<Record<Factor, string>> = {
  weights: "PyTorch's initial weights (uniform by 1/√inputs, biases too; Keras: Glorot uniform, biases 0)",
  pictures: 'pictures as (x/255 − 0.5)/0.5 (Keras: x/255)',
  epsilon: "Adam's ε 1e-8, added after bias correction (Keras: 1e-7, before)",
  order: "PyTorch's order of the pictures for this seed",
}

/** What a second seed alone changes, in points: three seeds of LeNet lie up to 3 apart. */
const noise = 1.5

const percent = (share: number): string => (100 * share).toFixed(1)
const points = (difference: number): string => {
  const text = (100 * difference).toFixed(1)
  return Number(text) > 0 ? `+${text}` : text.replace('-', '−')
}

type Runs = readonly ComparedRun[]

function find(
  runs: Runs,
  net: ComparedNet,
  idiom: ComparedRun['idiom'],
  likes = 0,
  optimizer = 'adam',
): ComparedRun | undefined {
  return runs.find(
    (run) => run.net === net && run.idiom === idiom && run.like.length === likes && run.optimizer === optimizer,
  )
}

/** The one table. */
export function comparisonTable(runs: Runs): string {
  const rows = runs
    .filter(({ like }) => like.length <= 1)
    .map((run) => [
      netNames[run.net],
      idiomNames[run.idiom],
      run.like.length > 0 || run.idiom === 'torch' ? "PyTorch's" : "Keras'",
      run.optimizer === 'sgd' ? 'SGD' : 'Adam',
      run.parameters.toLocaleString('en'),
      percent(run.trainAccuracy),
      percent(run.testAccuracy),
      points(run.trainAccuracy - run.testAccuracy),
      run.seconds.toFixed(1),
      run.medianStepMs.toFixed(2),
      run.like.length === 0 && run.optimizer === 'adam' ? article[run.net][run.idiom] : '',
    ])
  const header = ['net', 'idiom', 'first weights', 'optimizer', 'parameters', 'train %', 'test %', 'gap', 'seconds']
  const align = ['left', 'left', 'left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'left'] as const
  return formatTable(rows, { header: [...header, 'ms a step', 'the article (GPU)'], align })
}

const difference = (change: number): string =>
  `${Math.abs(100 * change).toFixed(1)} points ${change < 0 ? 'lower' : 'higher'}`

/** From Keras' defaults to PyTorch's, one at a time. */
function defaultsText(runs: Runs): string[] {
  const chain = [0, 1, 2, 3, 4].flatMap((likes) => find(runs, 'lenet', 'keras', likes) ?? [])
  const torch = find(runs, 'lenet', 'torch')
  const [first, last] = [chain[0], chain.at(-1)]
  if (!torch || !first || !last || chain.length < 2) return []
  const changes = chain.slice(1).map((run, i) => {
    const factor = run.like.at(-1) ?? 'weights'
    return { factor, run, change: run.testAccuracy - (chain[i]?.testAccuracy ?? 0) }
  })
  const row = (what: string, run: ComparedRun, change: string): string[] => [
    what,
    percent(run.testAccuracy),
    change,
    run.firstLoss.toFixed(5),
  ]
  const rows = [
    row("Keras' defaults", first, ''),
    ...changes.map(({ factor, run, change }) => row(`+ ${told[factor]}`, run, points(change))),
    row("PyTorch's defaults", torch, points(torch.testAccuracy - last.testAccuracy)),
  ]
  const whole = difference(torch.testAccuracy - first.testAccuracy)
  return [
    `Which default explains which difference: with PyTorch's defaults LeNet's test accuracy is ${whole} than with Keras'.`,
    formatTable(rows, {
      header: ['LeNet, one change after the other', 'test %', 'points', 'first loss'],
      align: ['left', 'right', 'right', 'right'],
    }),
    ...mostText(changes),
    ...(chain.length === 5 ? [restText(first, last, torch)] : []),
  ]
}

function mostText(changes: readonly { readonly factor: Factor; readonly change: number }[]): string[] {
  const [most] = changes.toSorted((a, b) => Math.abs(b.change) - Math.abs(a.change))
  if (!most) return []
  const seeds = `Another seed alone may change ${noise} points`
  return Math.abs(100 * most.change) >= noise
    ? [`The greatest change, ${points(most.change)} points, comes with ${told[most.factor]}. ${seeds}.`]
    : [`${seeds}: no single default changes more than that here.`]
}

/** What is left when all four are the same. */
function restText(first: ComparedRun, last: ComparedRun, torch: ComparedRun): string {
  const [before, after] = [first, last].map((run) => Math.abs(run.firstLoss - torch.firstLoss))
  const [a = NaN, b = NaN] = [before, after]
  const text = `With all four the mean loss of the first ten batches is PyTorch's but for ${b.toExponential(1)} (before: ${a.toExponential(1)})`
  return b < a / 10
    ? `${text}: nothing else is different in the two idioms. What parts them later is rounding, which training makes larger.`
    : `${text}.`
}

function optimizersText(runs: Runs): string[] {
  const [adam, sgd] = [find(runs, 'lenet', 'torch'), find(runs, 'lenet', 'torch', 0, 'sgd')]
  if (!adam || !sgd) return []
  const value = (run: ComparedRun, i: number): number => run.epochs[i]?.valAccuracy ?? NaN
  const rows = adam.epochs.map(({ epoch }, i) => [epoch, percent(value(adam, i)), percent(value(sgd, i))])
  const lastSgd = value(sgd, sgd.epochs.length - 1)
  const reached = adam.epochs.find(({ valAccuracy = NaN }) => valAccuracy >= lastSgd)
  const conclusion = reached
    ? `Adam reaches after ${epochsText(reached.epoch)} what SGD reaches after ${sgd.epochs.length}: ${percent(lastSgd)} %.`
    : `Here SGD is ahead after ${epochsText(sgd.epochs.length)}: ${percent(lastSgd)} %, Adam ${percent(value(adam, adam.epochs.length - 1))} %.`
  return [
    'Adam beside SGD with momentum 0.9, both with learning rate 0.001 (LeNet, the same first weights and batches):',
    formatTable(rows, { header: ['epoch', 'Adam test %', 'SGD test %'], align: ['right', 'right', 'right'] }),
    conclusion,
  ]
}

const epochsText = (n: number): string => `${n} epoch${n === 1 ? '' : 's'}`

/** The gap between training and test, and how LeNet1 fares where it has learnt the training pictures as well. */
function overfittingText(runs: Runs): string[] {
  const [small, large] = [find(runs, 'lenet', 'torch'), find(runs, 'lenet1', 'torch')]
  if (!small || !large) return []
  const gap = (run: ComparedRun): number => run.trainAccuracy - run.testAccuracy
  const told = (run: ComparedRun): string =>
    `${netNames[run.net]} ${percent(run.trainAccuracy)} % on training, ${percent(run.testAccuracy)} % on test pictures, a gap of ${points(gap(run)).replace('+', '')} points`
  const target = small.epochs.at(-1)
  const equal = target && large.epochs.find(({ accuracy }) => accuracy >= target.accuracy)
  const lines = [`Overfitting: ${told(small)}; ${told(large)}.`]
  if (!target || !equal) return lines
  const [there, here] = [equal.valAccuracy ?? NaN, target.valAccuracy ?? NaN]
  const better = there > here
  const learnt = `When LeNet1 had learnt the training pictures as well as LeNet in the end (${percent(equal.accuracy)} % in epoch ${equal.epoch}), it knew ${percent(there)} % of the test pictures, LeNet ${percent(here)} %`
  const why = better
    ? ': one dense layer less and more convolutions generalise better; what gap there is later comes from learning on.'
    : ': its shape does not generalise better in this run.'
  return [...lines, learnt + why]
}

/** The sentences and small tables under the one table, with empty lines between. */
export function comparisonText(runs: Runs): string {
  const parts = [defaultsText(runs), optimizersText(runs), overfittingText(runs)]
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.filter((line) => line !== '').join('\n'))
    .join('\n\n')
}

type Key = 'accuracy' | 'valAccuracy'

const curve = (run: ComparedRun | undefined, key: Key, name: string, color: number, dashed = false): Series[] =>
  run
    ? [
        {
          name,
          dashed,
          color: lineColors[color] ?? lineColors[0],
          points: run.epochs.map((point) => [point.epoch, point[key] ?? NaN] as const),
        },
      ]
    : []

/** Three charts: the nets in both idioms, Adam beside SGD, training beside test. */
export function comparisonPicture(runs: Runs): string {
  const run = (net: ComparedNet, idiom: 'torch' | 'keras', optimizer = 'adam'): ComparedRun | undefined =>
    find(runs, net, idiom, 0, optimizer)
  const place = { y: 52, width: 480, height: 340, xLabel: 'epoch', format: percentTick }
  const nets = [
    ...curve(run('lenet1', 'torch'), 'valAccuracy', 'LeNet1, PyTorch', 0),
    ...curve(run('lenet1', 'keras'), 'valAccuracy', 'LeNet1, Keras', 2),
    ...curve(run('lenet', 'torch'), 'valAccuracy', 'LeNet, PyTorch', 1),
    ...curve(run('lenet', 'keras'), 'valAccuracy', 'LeNet, Keras', 3),
  ]
  const optimizers = [
    ...curve(run('lenet', 'torch'), 'valAccuracy', 'Adam', 0),
    ...curve(run('lenet', 'torch', 'sgd'), 'valAccuracy', 'SGD', 1),
  ]
  const gaps = [
    ...curve(run('lenet1', 'torch'), 'accuracy', 'LeNet1 training', 0, true),
    ...curve(run('lenet1', 'torch'), 'valAccuracy', 'LeNet1 test', 0),
    ...curve(run('lenet', 'torch'), 'accuracy', 'LeNet training', 1, true),
    ...curve(run('lenet', 'torch'), 'valAccuracy', 'LeNet test', 1),
  ]
  return svgSheet(1470, 410, [
    svgText(16, 32, 'LeNet and LeNet1 in both idioms', { size: 19, bold: true }),
    ...lineChart({ ...place, x: 8, title: 'Test accuracy', series: nets }),
    ...lineChart({ ...place, x: 496, title: 'Test accuracy of LeNet by optimizer', series: optimizers }),
    ...lineChart({ ...place, x: 984, title: 'Training and test accuracy', series: gaps }),
  ])
}
