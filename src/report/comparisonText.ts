/**
 * What the figures of a comparison say: which default explains which difference, Adam beside SGD, training beside test.
 * A difference is called one only where it is twice its standard deviation on so many test pictures; else it is said that
 * there is not enough to tell. Not here: the table and the picture (comparison.ts).
 */
import { deviation, epochsText, find, lengthOf, netNames, percent, points } from './comparison.js'
import type { ComparedRun, Factor, Runs } from './comparison.js'
import { formatTable } from './table.js'

const told: Readonly<Record<Factor, string>> = {
  weights: "PyTorch's initial weights (uniform by 1/√inputs, biases too; Keras: Glorot uniform, biases 0)",
  pictures: 'pictures as (x/255 − 0.5)/0.5 (Keras: x/255)',
  epsilon: "Adam's ε 1e-8, added after bias correction (Keras: 1e-7, before)",
  order: "PyTorch's order of the pictures for this seed",
}

/** How an article's run was long: ten epochs of all training pictures. */
const articleEpochs = 10
const articlePictures = 50_000

/** A difference of two test accuracies: what it is, and what the test pictures leave open of it. */
interface Difference {
  readonly change: number
  readonly deviation: number
  /** More than chance in the choice of the test pictures would make of it, nineteen times of twenty. */
  readonly counts: boolean
}

/** As if the runs had other test pictures each: that they share them makes chance smaller, never larger. */
function differenceOf(from: number, to: number, count: number): Difference {
  const own = Math.hypot(deviation(from, count), deviation(to, count))
  const change = to - from
  return { change, deviation: own, counts: Math.abs(change) >= 2 * own }
}

/** '+3.7 ± 0.7' */
const shown = ({ change, deviation: own }: Difference): string => `${points(change)} ± ${percent(own)}`

const size = ({ change, deviation: own }: Difference): string => `${percent(Math.abs(change))} ± ${percent(own)} points`

const test = ({ testAccuracy }: ComparedRun): number => testAccuracy

/** How the table is to be read. */
function readingText(runs: Runs): string[] {
  const [first] = runs
  if (!first) return []
  const { testCount, trainCount, epochs } = first
  const isShort = epochs.length < articleEpochs || trainCount < articlePictures
  return [
    `±: what ${testCount.toLocaleString('en')} test pictures leave open, 100·√(p(1 − p)/n) points, one standard deviation. A difference counts below from twice its own.`,
    'All is of one seed. Another seed changes such figures too: three seeds of LeNet lay up to 3 points apart after ten epochs of all pictures.',
    isShort
      ? `The article's figures are of ten epochs of 50,000 pictures: these are of ${lengthOf(first)}, and not to be compared with them.`
      : '',
  ]
}

interface Change {
  readonly factor: Factor
  readonly run: ComparedRun
  readonly difference: Difference
}

/** From Keras' defaults to PyTorch's, one at a time. */
function defaultsText(runs: Runs): string[] {
  const chain = [0, 1, 2, 3, 4].flatMap((likes) => find(runs, 'lenet', 'keras', likes) ?? [])
  const torch = find(runs, 'lenet', 'torch')
  const [first, last] = [chain[0], chain.at(-1)]
  if (!torch || !first || !last || chain.length < 2) return []
  const between = (a: ComparedRun, b: ComparedRun): Difference => differenceOf(test(a), test(b), b.testCount)
  const changes = chain.slice(1).map((run, i): Change => {
    return { factor: run.like.at(-1) ?? 'weights', run, difference: between(chain[i] ?? run, run) }
  })
  const row = (what: string, run: ComparedRun, change: string): string[] => {
    return [what, percent(run.testAccuracy), change, Number.isNaN(run.firstLoss) ? '' : run.firstLoss.toFixed(5)]
  }
  const rows = [
    row("Keras' defaults", first, ''),
    ...changes.map(({ factor, run, difference }) => row(`+ ${told[factor]}`, run, shown(difference))),
    row("PyTorch's defaults", torch, shown(between(last, torch))),
  ]
  return [
    `Which default explains which difference: ${wholeText(between(first, torch), torch)}`,
    formatTable(rows, {
      header: ['LeNet, one change after the other', 'test %', 'points', 'first loss'],
      align: ['left', 'right', 'right', 'right'],
    }),
    ...mostText(changes),
    ...(chain.length === 5 ? restText(first, last, torch, between(last, torch)) : []),
  ]
}

const countOf = ({ testCount }: ComparedRun): string => testCount.toLocaleString('en')

function wholeText(difference: Difference, torch: ComparedRun): string {
  const how = difference.change < 0 ? 'lower' : 'higher'
  return difference.counts
    ? `with PyTorch's defaults LeNet's test accuracy is ${size(difference)} ${how} than with Keras'.`
    : `${countOf(torch)} test pictures are not enough to tell whether there is one: with PyTorch's defaults LeNet's test accuracy is ${size(difference)} ${how} than with Keras'.`
}

/** All changes that count, the greatest first. */
function mostText(changes: readonly Change[]): string[] {
  const [first, ...others] = changes
    .filter(({ difference }) => difference.counts)
    .toSorted((a, b) => Math.abs(b.difference.change) - Math.abs(a.difference.change))
  if (!first) return ['No single default makes a difference that counts here: not enough to tell which explains it.']
  const named = ({ factor, difference }: Change): string => `${shown(difference)} points with ${told[factor]}`
  const rest = others.map((change) => `; ${named(change)}`).join('')
  const ends = others.length > 0 ? '. The others change' : '. The other defaults change'
  const left = changes.length - 1 - others.length
  return [
    `In these single runs the greatest change is ${named(first)}${rest}${left > 0 ? `${ends} nothing that counts.` : '.'}`,
  ]
}

/** What is left when all four are the same: of the first batches, before rounding grows, and in the end. */
function restText(first: ComparedRun, last: ComparedRun, torch: ComparedRun, end: Difference): string[] {
  const [before, after] = [first, last].map((run) => Math.abs(run.firstLoss - torch.firstLoss))
  const [a = NaN, b = NaN] = [before, after]
  if (Number.isNaN(a) || Number.isNaN(b))
    return ['An epoch has fewer than ten batches: too few to compare the losses of.']
  const text = `With all four the mean loss of the first ten batches is PyTorch's but for ${b.toExponential(1)} (before: ${a.toExponential(1)})`
  if (b >= a / 10) return [`${text}: these four are not all that is different.`]
  const later = end.counts
    ? `In the end they are ${size(end)} apart all the same, which these four do not explain.`
    : `In the end they are ${size(end)} apart, no more than the test pictures leave open.`
  return [`${text}: these four are all that these batches show. ${later}`]
}

function optimizersText(runs: Runs): string[] {
  const [adam, sgd] = [find(runs, 'lenet', 'torch'), find(runs, 'lenet', 'torch', 0, 'sgd')]
  if (!adam || !sgd) return []
  const value = (run: ComparedRun, i: number): number => run.epochs[i]?.valAccuracy ?? NaN
  const rows = adam.epochs.map(({ epoch }, i) => [epoch, percent(value(adam, i)), percent(value(sgd, i))])
  return [
    'Adam beside SGD with momentum 0.9, both with learning rate 0.001 (LeNet, the same first weights and batches):',
    formatTable(rows, { header: ['epoch', 'Adam test %', 'SGD test %'], align: ['right', 'right', 'right'] }),
    fasterText(adam, sgd),
  ]
}

/** Which is ahead in the end, and how early Adam was where SGD ends. */
function fasterText(adam: ComparedRun, sgd: ComparedRun): string {
  const [a = NaN, s = NaN] = [adam, sgd].map(({ epochs }) => epochs.at(-1)?.valAccuracy)
  const end = differenceOf(s, a, adam.testCount)
  const after = `after ${epochsText(adam.epochs.length)}`
  if (!end.counts)
    return `Not enough to tell which is faster: ${after} they are ${size(end)} apart (Adam ${percent(a)} %, SGD ${percent(s)} %).`
  const [ahead, behind] = end.change > 0 ? ['Adam', 'SGD'] : ['SGD', 'Adam']
  const text = `${ahead} is faster here: ${after} it is ${size(end)} ahead of ${behind}.`
  const early = adam.epochs.find(({ valAccuracy = NaN }) => valAccuracy >= s)
  return end.change > 0 && early && early.epoch < adam.epochs.length
    ? `${text} It was above SGD's last accuracy (${percent(s)} %) after ${epochsText(early.epoch)}, with ${percent(early.valAccuracy ?? NaN)} %.`
    : text
}

/** The gap between training and test pictures, both in evaluation mode; that it is one, if it counts. */
function gapOf({ trainAccuracy, testAccuracy, trainCount, testCount }: ComparedRun): Difference {
  const own = Math.hypot(deviation(testAccuracy, testCount), deviation(trainAccuracy, trainCount))
  const change = trainAccuracy - testAccuracy
  return { change, deviation: own, counts: change >= 2 * own }
}

function gapText(run: ComparedRun): string {
  const { net, trainAccuracy, testAccuracy } = run
  const gap = gapOf(run)
  const text = `${netNames[net]} knows ${percent(trainAccuracy)} % of the training pictures and ${percent(testAccuracy)} % of the test pictures`
  return gap.counts
    ? `${text}, a gap of ${size(gap)}.`
    : `${text}; that is not enough to tell of a gap (${shown(gap)} points).`
}

/** The gap, and how LeNet1 fares where it has learnt the training pictures as well as LeNet. */
function overfittingText(runs: Runs): string[] {
  const [small, large] = [find(runs, 'lenet', 'torch'), find(runs, 'lenet1', 'torch')]
  if (!small || !large) return []
  return [`Overfitting: ${gapText(small)} ${gapText(large)}`, remedyText(small, large)]
}

/**
 * LeNet1's shape as a remedy: how much of what they have learnt both know of test pictures, where LeNet1 has learnt the
 * training pictures as well as LeNet. How well, the mean over an epoch in training tells: the only measure of each epoch.
 */
function remedyText(small: ComparedRun, large: ComparedRun): string {
  if (!gapOf(small).counts)
    return 'Where LeNet has no gap that counts, there is nothing that LeNet1 could be a remedy of.'
  const target = small.epochs.at(-1)
  const equal = target && large.epochs.find(({ accuracy }) => accuracy >= target.accuracy)
  if (!target || !equal)
    return "Whether LeNet1's shape is a remedy, this does not tell: it has not learnt the training pictures as well as LeNet."
  const [there, here] = [equal.valAccuracy ?? NaN, target.valAccuracy ?? NaN]
  const own = Math.hypot(...[there, here].map((share) => deviation(share, small.testCount)))
  const change = there - equal.accuracy - (here - target.accuracy)
  const learnt = `LeNet1 had learnt the training pictures as well after ${epochsText(equal.epoch)}: ${percent(equal.accuracy)} % (mean over the epoch in training), and ${percent(there)} % of the test pictures; LeNet in the end: ${percent(target.accuracy)} and ${percent(here)} %.`
  return `${learnt} ${remedyVerdict({ change, deviation: own, counts: Math.abs(change) >= 2 * own })}`
}

function remedyVerdict(difference: Difference): string {
  if (!difference.counts)
    return `That is not enough to tell whether its shape is a remedy (its gap is ${shown({ ...difference, change: -difference.change })} points beside LeNet's).`
  return difference.change > 0
    ? `So its gap was ${size(difference)} smaller: what it learns holds for new pictures better. Its shape, one dense layer less and more convolutions, is a remedy.`
    : `So its gap was ${size(difference)} larger: here its shape is no remedy.`
}

/** The sentences and small tables under the one table, with empty lines between. */
export function comparisonText(runs: Runs): string {
  const parts = [readingText(runs), defaultsText(runs), optimizersText(runs), overfittingText(runs)]
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.filter((line) => line !== '').join('\n'))
    .join('\n\n')
}
