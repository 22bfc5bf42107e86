/**
 * The article's comparison as one table and a picture: both nets in both idioms, Adam beside SGD, training beside test.
 * Not here: what the figures say (comparisonText.ts), the trainings (cli).
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
  /** Pictures that it was trained on, and those of the test accuracy. */
  readonly trainCount: number
  readonly testCount: number
  /** Mean loss of the first ten batches; NaN where there are fewer. */
  readonly firstLoss: number
  /** Fractions, in evaluation mode. */
  readonly trainAccuracy: number
  readonly testAccuracy: number
  /** Of the training, with an evaluation of the test pictures after each epoch. */
  readonly seconds: number
  readonly medianStepMs: number
  /** What the steps of `medianStepMs` ran on. */
  readonly device: string
}

export const netNames = { lenet: 'LeNet', lenet1: 'LeNet1' } as const
const idiomNames = { torch: 'PyTorch', keras: 'Keras' } as const
/** The article's own figures: test accuracy, and time of ten epochs on a GPU. */
const article = {
  lenet: { torch: '60-odd %, about 110 s', keras: '60-odd %, 55 s' },
  lenet1: { torch: '72 %', keras: '70 %' },
} as const

export const percent = (share: number): string => (100 * share).toFixed(1)
export const points = (difference: number): string => {
  const text = (100 * difference).toFixed(1)
  if (Number(text) === 0) return '0.0'
  return Number(text) > 0 ? `+${text}` : text.replace('-', '−')
}

/** What so many pictures leave open of a share p of right answers: one standard deviation, as a fraction. */
export const deviation = (p: number, count: number): number => Math.sqrt((p * (1 - p)) / count)

export type Runs = readonly ComparedRun[]

export function find(
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

/** '3 epochs of 10,000 pictures' */
export const lengthOf = ({ epochs, trainCount }: ComparedRun): string =>
  `${epochsText(epochs.length)} of ${trainCount.toLocaleString('en')} pictures`

export const epochsText = (n: number): string => `${n} epoch${n === 1 ? '' : 's'}`

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
      `${percent(run.testAccuracy)} ± ${percent(deviation(run.testAccuracy, run.testCount))}`,
      points(run.trainAccuracy - run.testAccuracy),
      run.seconds.toFixed(1),
      run.medianStepMs.toFixed(2),
      run.device,
      run.like.length === 0 && run.optimizer === 'adam' ? article[run.net][run.idiom] : '',
    ])
  const header = ['net', 'idiom', 'first weights', 'optimizer', 'parameters', 'train %', 'test %', 'gap', 'seconds']
  const align = [
    'left',
    'left',
    'left',
    'left',
    'right',
    'right',
    'right',
    'right',
    'right',
    'right',
    'left',
    'left',
  ] as const
  return formatTable(rows, { header: [...header, 'ms a step', 'on', 'the article (GPU)'], align })
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
  const [first] = runs
  const title = `LeNet and LeNet1 in both idioms${first ? `: ${lengthOf(first)}` : ''}`
  return svgSheet(1470, 410, [
    svgText(16, 32, title, { size: 19, bold: true }),
    ...lineChart({ ...place, x: 8, title: 'Test accuracy', series: nets }),
    ...lineChart({ ...place, x: 496, title: 'Test accuracy of LeNet by optimizer', series: optimizers }),
    ...lineChart({
      ...place,
      x: 984,
      title: 'Accuracy in training (mean of the epoch) and on test pictures',
      series: gaps,
    }),
  ])
}
