/**
 * The benchmark: starts participants, measures them in alternating rounds, part by part.
 * Not here: who they are (lineup.node.ts), what is done with the results (cli).
 */
import { messageOf } from '../base/index.js'
import { figure, kernelFigure, withRatios } from './figures.js'
import type { KernelFigure, Measurement, Peak, Skipped } from './figures.js'
import * as lineup from './lineup.node.js'
import { describeMachine, findCompiler, findPython, load, type Machine, type Python } from './machine.node.js'
import { isArticleNet, type NetName } from './nets.js'
import { Participant } from './participant.node.js'
import { PeakMeter } from './peak.node.js'
import { threadCounts, type BenchPlan, type Part } from './plan.js'
import { inRounds } from './rounds.js'

export interface BenchOptions {
  /** A Python with torch, or tensorflow and keras; default: python3 if it has them. */
  readonly python?: string
  /** Also what npm installs: only in a clone. */
  readonly peers: boolean
  /** Says what is going on. */
  readonly note?: (line: string) => void
  /** Called with the figures of a part when they are known. */
  readonly onPart?: (part: Part, figures: readonly (Measurement | KernelFigure | Skipped)[]) => void
}

export interface BenchResult {
  readonly machine: Machine
  readonly peaks: readonly Peak[]
  readonly measurements: Readonly<Record<Exclude<Part, 'kernels'>, readonly Measurement[]>>
  readonly kernels: readonly KernelFigure[]
  readonly skipped: readonly Skipped[]
}

type Entrant = lineup.Entrant

const named = ({ who, task }: Entrant): string =>
  `${task.net}, batch ${task.batch}, width ×${task.width}: ${who}, ${task.threads} ${task.threads === 1 ? 'thread' : 'threads'}`

class Bench {
  readonly #plan: BenchPlan
  readonly #options: BenchOptions
  readonly #meter: PeakMeter
  readonly #python: Python | null
  readonly versions: Record<string, string> = {}
  readonly skipped: Skipped[] = []
  readonly kernels: KernelFigure[] = []
  readonly measurements: Record<Exclude<Part, 'kernels'>, Measurement[]> = {
    train: [],
    batch: [],
    width: [],
    threads: [],
    predict: [],
  }

  constructor(plan: BenchPlan, options: BenchOptions, meter: PeakMeter, python: Python | null) {
    this.#plan = plan
    this.#options = options
    this.#meter = meter
    this.#python = python
  }

  async run(): Promise<void> {
    const { parts, nets } = this.#plan
    if (parts.includes('train') || parts.includes('kernels')) for (const net of nets) await this.#main(net)
    for (const part of ['batch', 'width', 'threads', 'predict'] as const) {
      if (!parts.includes(part)) continue
      const before = this.skipped.length
      const fitting = nets.filter(part === 'width' ? (net) => net === 'lenet1' : isArticleNet)
      for (const net of fitting) await this.#part(part, net)
      this.#options.onPart?.(part, [...this.measurements[part], ...this.skipped.slice(before)])
    }
  }

  /** Everybody, at the usual batch, with all threads, the article's nets with one too; and where our time goes. */
  async #main(net: NetName): Promise<void> {
    const { warmSeconds, cores, parts } = this.#plan
    const counts = isArticleNet(net) ? [...new Set([1, cores])] : [Math.min(2, cores)]
    const shapes = counts.map((threads) => ({ net, threads }))
    const own = shapes.flatMap((shape) => lineup.ourDevices.map((device) => lineup.ours(shape, device, warmSeconds)))
    const others = parts.includes('train') ? this.#others(net, shapes) : []
    const before = this.skipped.length
    const kernelsBefore = this.kernels.length
    const many = { profile: parts.includes('kernels'), peaks: true, longer: isArticleNet(net) ? 1 : 4 }
    const found = await this.#compete([...own, ...others], many)
    this.measurements.train.push(...found)
    if (parts.includes('train')) this.#options.onPart?.('train', [...found, ...this.skipped.slice(before)])
    if (parts.includes('kernels')) this.#options.onPart?.('kernels', this.kernels.slice(kernelsBefore))
  }

  #others(net: NetName, shapes: readonly lineup.Shape[]): Entrant[] {
    const { warmSeconds, cores } = this.#plan
    const python = this.#python
    const found: Entrant[] = []
    if (python?.torch)
      for (const shape of shapes)
        found.push(...lineup.torchModes.map((mode) => lineup.torch(python, shape, mode, warmSeconds)))
    if (!isArticleNet(net)) return found
    if (python?.keras) found.push(lineup.keras(python, { net, threads: cores }, warmSeconds))
    if (this.#options.peers) found.push(...lineup.trainingPeers({ net, threads: 1 }, warmSeconds))
    return found
  }

  /** One size after another, ours against the best other. */
  async #part(part: 'batch' | 'width' | 'threads' | 'predict', net: NetName): Promise<void> {
    const { batches, widths, cores } = this.#plan
    const to = this.measurements[part]
    if (part === 'batch')
      for (const batch of batches) to.push(...(await this.#compete(this.#pair({ net, threads: cores, batch }))))
    if (part === 'width')
      for (const width of widths) to.push(...(await this.#compete(this.#pair({ net, threads: cores, width }))))
    if (part === 'threads')
      for (const threads of threadCounts(this.#plan)) to.push(...(await this.#compete(this.#pair({ net, threads }))))
    if (part === 'predict') {
      const many = { net, threads: Math.min(2, cores), batch: 1000, kind: 'predict' } as const
      const one = { net, threads: 1, batch: 1, kind: 'predict' } as const
      for (const shape of [many, one]) to.push(...(await this.#compete(this.#predicting(shape))))
    }
  }

  #predicting(shape: lineup.Shape): Entrant[] {
    const { warmSeconds } = this.#plan
    const own = lineup.ourDevices.map((device) => lineup.ours(shape, device, warmSeconds))
    return this.#options.peers ? [...own, lineup.onnxruntime(shape, warmSeconds)] : own
  }

  /** Our best device that works here, and PyTorch's mode that was the best at batch 32. */
  #pair(shape: lineup.Shape): Entrant[] {
    const { warmSeconds } = this.#plan
    const failed = new Set(this.skipped.filter(({ net }) => net === shape.net).map(({ who }) => who))
    const device = lineup.ourDevices.find((name) => !failed.has(`lenet-${name}`)) ?? 'wasm'
    const own = lineup.ours(shape, device, warmSeconds)
    const python = this.#python
    return python?.torch ? [own, lineup.torch(python, shape, this.#torchMode(shape), warmSeconds)] : [own]
  }

  #torchMode({ net, threads }: lineup.Shape): lineup.TorchMode {
    const known = this.measurements.train
      .filter((m) => m.net === net && m.who.startsWith('torch-'))
      .toSorted(
        (a, b) => Number(b.threads === threads) - Number(a.threads === threads) || a.medianStepMs - b.medianStepMs,
      )
    return lineup.torchModes.find((mode) => known[0]?.who === `torch-${mode}`) ?? 'channels-last'
  }

  /** Starts all, one after another, measures them in rounds and ends them. Who fails is put down as skipped. */
  async #compete(
    entrants: readonly Entrant[],
    { profile = false, peaks = false, longer = 1 } = {},
  ): Promise<Measurement[]> {
    const { rounds, seconds, peakSeconds } = this.#plan
    const started: { readonly entrant: Entrant; readonly who: Participant; readonly maxRounds?: number }[] = []
    try {
      for (const entrant of entrants) {
        const who = await this.#start(entrant)
        if (who)
          started.push({ entrant, who, ...(entrant.launch.maxRounds ? { maxRounds: entrant.launch.maxRounds } : {}) })
      }
      const outcomes = await inRounds(started, {
        rounds,
        seconds: seconds * longer,
        between: async (round) => {
          if (peaks) this.#note(`round ${round + 1} of ${rounds}`)
          if (peaks || this.#meter.peaks.length === 0) await this.#meter.measure(peakSeconds)
        },
      })
      const found = started.flatMap(({ entrant }, i) => {
        const { failure, ...measured } = outcomes[i] ?? { ms: [] }
        if (failure !== undefined) this.#skip(entrant, failure)
        const isThere = failure === undefined && measured.ms.length > 0
        return isThere ? [figure(entrant.task, entrant.who, measured, this.#meter.peaks)] : []
      })
      if (profile) for (const { entrant, who } of started) await this.#profile(entrant, who)
      return withRatios(found)
    } finally {
      for (const { who } of started) who.stop()
    }
  }

  async #start(entrant: Entrant): Promise<Participant | undefined> {
    this.#note(named(entrant))
    try {
      const participant = await Participant.start(entrant.launch, entrant.task)
      Object.assign(this.versions, participant.facts)
      return participant
    } catch (error) {
      this.#skip(entrant, messageOf(error))
      return undefined
    }
  }

  async #profile({ who, task }: Entrant, participant: Participant): Promise<void> {
    if (!who.startsWith('lenet-') || (isArticleNet(task.net) && task.threads !== 1)) return
    const of = { net: task.net, who, threads: task.threads }
    const times = await participant.kernels()
    this.kernels.push(...times.map((time) => kernelFigure(of, time, this.#meter.peaks)))
  }

  #skip({ who, task }: Entrant, reason: string): void {
    this.skipped.push({ event: 'skipped', net: task.net, who, threads: task.threads, reason })
  }

  #note(line: string): void {
    this.#options.note?.(line)
  }
}

/** Runs the plan. Throws LenetError where a given Python cannot be used; who else fails is put down as skipped. */
export async function runBench(plan: BenchPlan, options: BenchOptions): Promise<BenchResult> {
  const loadBefore = load()
  if (loadBefore > 0.5) options.note?.(`this machine is busy already (load ${loadBefore}): the figures will be noisy`)
  const python = await findPython(options.python)
  if (!python) options.note?.('no Python with torch or keras was found: they are left out (--python PATH names one)')
  const compiler = await findCompiler()
  if (options.peers) lineup.installPackages('peers')
  const meter = new PeakMeter([...new Set([...threadCounts(plan), Math.min(2, plan.cores)])], compiler)
  try {
    await meter.start()
    const bench = new Bench(plan, options, meter, python)
    await bench.run()
    const { measurements, kernels, skipped } = bench
    const machine = describeMachine(compiler, bench.versions, loadBefore)
    return { machine, peaks: meter.peaks, measurements, kernels, skipped }
  } finally {
    meter.stop()
  }
}
