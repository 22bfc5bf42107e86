/**
 * `lenet compare`: the article as one command: both nets in both idioms, one after the other, with a table, a picture and a
 * JSON file in the end. Not here: one training (compareRuns.ts), what the figures say (report).
 */
import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { writeFileAtomicSync } from '../base/fs.node.js'
import {
  comparisonPicture,
  comparisonTable,
  comparisonText,
  factors,
  formatDuration,
  type ComparedRun,
} from '../report/index.js'
import { batchSize, compareRun, type RunContext, type RunSpec } from './compareRuns.js'
import { loadImages, type DataOptions } from './dataSets.js'
import { checkDevice, useDevice, type DeviceFlags, type DeviceWatch } from './deviceFlags.js'
import { createOutput, type Output } from './output.js'
import { writePicture } from './pictureOut.js'
import { runUntilStopped, stopSignal, type StopSignal } from './signals.js'

export interface CompareOptions extends DataOptions, DeviceFlags {
  readonly epochs: number
  readonly seed: number
  readonly limitTrain?: number
  readonly limitTest?: number
  readonly out: string
  readonly json?: boolean
}

const own = { optimizer: 'adam', like: [] } as const

/** LeNet in full; of LeNet1, whose steps are long, what the article has and the same first weights. */
const plan: readonly RunSpec[] = [
  { net: 'lenet', idiom: 'torch', ...own },
  { net: 'lenet', idiom: 'keras', ...own },
  ...factors.map((_, i): RunSpec => ({
    net: 'lenet',
    idiom: 'keras',
    optimizer: 'adam',
    like: factors.slice(0, i + 1),
  })),
  { net: 'lenet', idiom: 'torch', optimizer: 'sgd', like: [] },
  { net: 'lenet1', idiom: 'torch', ...own },
  { net: 'lenet1', idiom: 'keras', ...own },
  { net: 'lenet1', idiom: 'keras', optimizer: 'adam', like: ['weights'] },
]

/** How long a step of LeNet1 takes, in LeNet's, before one was measured. */
const lenet1Cost = 6

const nameOf = ({ net, idiom, optimizer, like }: RunSpec): string =>
  [net, idiom, ...(optimizer === 'sgd' ? ['sgd'] : []), ...like.map((factor) => `+${factor}`)].join(' ')

export async function compareCommand(options: CompareOptions): Promise<void> {
  checkDevice(options)
  const stop = stopSignal()
  const output = createOutput(options.json === true)
  const job = new Comparison(options, output, stop)
  await runUntilStopped(job, stop)
}

class Comparison {
  readonly #options: CompareOptions
  readonly #output: Output
  readonly #stop: StopSignal
  readonly #device: DeviceWatch
  readonly folder: string
  readonly #done: ComparedRun[] = []
  readonly #start = performance.now()

  constructor(options: CompareOptions, output: Output, stop: StopSignal) {
    this.#options = options
    this.#output = output
    this.#stop = stop
    this.#device = useDevice(options, output)
    this.folder = resolve(options.out)
  }

  checkStop(): void {
    const done = `${this.#done.length} of ${plan.length} trainings were done`
    this.#stop.check(`stopped before the comparison's end: ${done}, nothing is written`)
  }

  async run(): Promise<void> {
    const { limitTrain, limitTest, epochs, seed } = this.#options
    const read = (train: boolean, limit?: number) =>
      loadImages(this.#output, this.#options, train, limit, this.#stop.signal)
    const [train, test] = await this.#output.task('get the data', async () => {
      return [await read(true, limitTrain), await read(false, limitTest)] as const
    })
    this.checkStop()
    for (const spec of plan) await this.#train(spec, { train, test, epochs, seed })
    await this.#tell()
  }

  async #train(spec: RunSpec, data: Pick<RunContext, 'train' | 'test' | 'epochs' | 'seed'>): Promise<void> {
    const run = nameOf(spec)
    const batches = Math.ceil(data.train.count / batchSize)
    const label = `${this.#done.length + 1}/${plan.length} ${run}`
    const bar = this.#output.progress({ total: batches * data.epochs, label })
    const found = await compareRun(spec, {
      ...data,
      signal: this.#stop.signal,
      check: () => this.checkStop(),
      onStep: (epoch, batch) => {
        this.#device.afterStep()
        bar.update((epoch - 1) * batches + batch)
      },
      onEpoch: (event) => this.#output.event({ ...event, run }),
    })
    bar.clear()
    this.checkStop()
    if (!found) return
    this.#done.push(found)
    const { epochs: _, ...figures } = found
    this.#output.event({ event: 'run', run, ...figures })
    this.#output.info(this.#line(label, found))
  }

  #line(label: string, { trainAccuracy, testAccuracy, seconds }: ComparedRun): string {
    const left = this.#secondsLeft()
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
    const figures = `train ${percent(trainAccuracy)}, test ${percent(testAccuracy)}, ${seconds.toFixed(1)} seconds`
    return `${label}: ${figures}${left > 0 ? `; about ${formatDuration(left)} left` : ''}`
  }

  /** By what was measured; LeNet1 by LeNet before that. */
  #secondsLeft(): number {
    const mean = (net: string): number => {
      const runs = this.#done.filter((run) => run.net === net)
      return runs.reduce((sum, { seconds }) => sum + seconds, 0) / runs.length
    }
    const [small, large] = [mean('lenet'), mean('lenet1')]
    const costs = { lenet: small, lenet1: Number.isNaN(large) ? lenet1Cost * small : large }
    return plan.slice(this.#done.length).reduce((sum, { net }) => sum + costs[net], 0)
  }

  async #tell(): Promise<void> {
    const { epochs, seed, data, limitTrain } = this.#options
    const runs = this.#done
    const [json, picture] = [join(this.folder, 'compare.json'), join(this.folder, 'compare.png')]
    const machine = { processor: cpus()[0]?.model ?? '', cores: availableParallelism(), node: process.version }
    const { tier, threads } = this.#device
    const settings = { epochs, seed, data, limitTrain: limitTrain ?? null, batchSize, device: tier, threads, machine }
    writeFileAtomicSync(json, `${JSON.stringify({ settings, runs }, null, 1)}\n`)
    const svg = comparisonPicture(runs)
    await writePicture(join(this.folder, 'compare.svg'), svg)
    await writePicture(picture, svg)
    this.#output.text(`\n${comparisonTable(runs)}\n\n${comparisonText(runs)}\n`)
    this.#output.text(`${json}\n${picture}`)
    const seconds = (performance.now() - this.#start) / 1000
    this.#output.event({ event: 'done', seconds, device: tier, threads, text: comparisonText(runs), json, picture })
  }
}
