/**
 * `lenet tune`: tries other tiles than the cost model's for a net's kernels on this machine, and keeps what is faster. No
 * result changes: candidates differ in speed only. Not here: timing (tuneTiming.ts, tuneTrials.ts).
 */
import { LenetError, UsageError } from '../base/index.js'
import { choiceName } from '../device/index.js'
import { readTuning, startNativeService, writeTuning } from '../device/index.node.js'
import { formatTable } from '../report/index.js'
import { device } from '../tensor/index.js'
import { checkDevice, useDevice, type DeviceFlags } from './deviceFlags.js'
import type { MakeNet } from '../files/index.js'
import { makerOf } from './models.js'
import { count, createOutput, type Output } from './output.js'
import { inTurns, isSlower, least } from './tuneTiming.js'
import {
  bestTrial,
  choicesOf,
  kernelName,
  makeTrial,
  stepWay,
  type Choose,
  type Found,
  type Trial,
} from './tuneTrials.js'

export interface TuneOptions extends DeviceFlags {
  readonly model: string
  readonly batchSize: number
  readonly json?: boolean
}

/** A choice that another candidate is better for. */
interface Change extends Found {
  readonly key: string
  readonly kernel: string
  readonly was: string
  readonly now: string
}

/** Whole steps of the tuned net may be slower by this much: less cannot be told from noise. */
const stepNoise = 0.005
const stepRounds = 41

/** `lenet tune`. */
export async function tuneCommand(options: TuneOptions): Promise<void> {
  const output = createOutput(options.json === true)
  const make = await makerOf(options.model)
  const watch = useDevice({ ...options, device: tierOf(options.device) }, output)
  watch.tell()
  await device().ready()
  const tuner = new Tuner(make, options.batchSize)
  const { name, threads } = device()
  output.text(`${options.model}, batch ${options.batchSize}, on device ${name}, ${count(threads, 'thread')}`)
  const changes = await tuner.search(output)
  const steps = changes.length > 0 ? await tuner.compare(changes) : null
  tell(output, tuner, changes, steps)
  const path = steps && !steps.isSlower ? await tuner.keep(changes) : null
  output.text(path ? `kept in ${path}: used from the next start on` : 'nothing was kept')
  output.event({ event: 'done', device: name, threads, changes: changes.length, saved: path, ...timesOf(steps) })
}

/** 'auto' tunes where its steps end up. */
function tierOf(name: string): string {
  checkDevice({ device: name })
  if (name === 'interp')
    throw new UsageError('--device interp: the interpreter has nothing to tune; use native or wasm')
  if (name !== 'auto') return name
  const service = startNativeService()
  const found = service.wait()
  service.close()
  return 'reason' in found ? 'wasm' : 'native'
}

interface Steps {
  /** µs of a whole step. */
  readonly before: number
  readonly after: number
  readonly isSlower: boolean
}

class Tuner {
  readonly #make: MakeNet
  readonly #batchSize: number
  /** Names of candidates by choice, what is used now first. */
  readonly #candidates = new Map<string, readonly string[]>()
  readonly #known = readTuning(() => {})
  readonly #first: Trial

  constructor(make: MakeNet, batchSize: number) {
    this.#make = make
    this.#batchSize = batchSize
    this.#first = this.#trial((key, candidates) => {
      const now = this.#known.get(this.#fullName(key))
      const used = now !== undefined && candidates.includes(now) ? now : candidates[0]
      this.#candidates.set(key, [...new Set([used ?? '', ...candidates])])
      return used
    })
  }

  get choices(): number {
    return choicesOf(this.#first).length
  }

  #trial(choose: Choose): Trial {
    return makeTrial(this.#make, this.#batchSize, choose)
  }

  #fullName(key: string): string {
    return choiceName(device().name, device().targetFor(this.#batchSize), key)
  }

  #namesOf(key: string): readonly string[] {
    return this.#candidates.get(key) ?? []
  }

  /** One trial for each place in the lists of candidates, then each choice by itself. */
  async search(output: Output): Promise<Change[]> {
    const keys = choicesOf(this.#first)
    const most = Math.max(0, ...keys.map((key) => this.#namesOf(key).length))
    const trials = [this.#first]
    for (let i = 1; i < most; i++) {
      output.info(`compiling candidate ${i} of ${most - 1}`)
      trials.push(this.#trial((key) => this.#namesOf(key)[i] ?? this.#namesOf(key)[0]))
    }
    output.info(`measuring ${count(keys.length, 'choice')}`)
    const changes: Change[] = []
    for (const key of keys) changes.push(...(await this.#tryAll(trials, key)))
    return changes
  }

  async #tryAll(trials: readonly Trial[], key: string): Promise<Change[]> {
    const names = this.#namesOf(key)
    const found = await bestTrial(trials.slice(0, names.length), key)
    if (found.trial === 0) return []
    const [was = '', now = ''] = [names[0], names[found.trial]]
    return [{ ...found, key, kernel: kernelName(this.#first, key), was, now }]
  }

  /** Whole steps before and after, in turns. Both nets learn the same, to the last bit. */
  async compare(changes: readonly Change[]): Promise<Steps> {
    const better = new Map(changes.map(({ key, now }) => [key, now]))
    const old = this.#trial((key) => this.#namesOf(key)[0])
    const tuned = this.#trial((key) => better.get(key) ?? this.#namesOf(key)[0])
    const rounds = await inTurns([stepWay(old), stepWay(tuned)], stepRounds)
    if (!learntTheSame(old, tuned))
      throw new LenetError(
        'lenet tune: other tiles gave other bits, which must not be: nothing is kept; please report it',
      )
    const [before, after] = [1000 * least(rounds, 0), 1000 * least(rounds, 1)]
    return { before, after, isSlower: isSlower(rounds, 1, stepNoise) }
  }

  /** Adds to what was known. */
  keep(changes: readonly Change[]): Promise<string> {
    const all = new Map(this.#known)
    for (const { key, now } of changes) all.set(this.#fullName(key), now)
    return writeTuning(all)
  }
}

function learntTheSame(a: Trial, b: Trial): boolean {
  const others = b.net.parameters()
  return a.net.parameters().every((parameter, i) => {
    const [one, other] = [parameter.toTypedArray(), others[i]?.toTypedArray()]
    return other !== undefined && one.every((value, k) => Object.is(value, other[k]))
  })
}

const micro = (us: number): string => us.toFixed(1)

const timesOf = (steps: Steps | null): object => (steps ? { stepUsBefore: steps.before, stepUsAfter: steps.after } : {})

function tell(output: Output, tuner: Tuner, changes: readonly Change[], steps: Steps | null): void {
  for (const { key, kernel, was, now, before, after } of changes)
    output.event({ event: 'tune', kernel, choice: key, was, now, usBefore: before, usAfter: after })
  if (changes.length === 0) {
    output.text(`nothing better was found: ${count(tuner.choices, 'choice')} stay as they are`)
    return
  }
  const rows = changes.map(({ kernel, key, was, now, before, after }) => [
    kernel,
    key,
    was,
    now,
    micro(before),
    micro(after),
  ])
  if (steps) rows.push(['whole step', '', '', '', micro(steps.before), micro(steps.after)])
  const header = ['kernel', 'choice', 'was', 'now', 'µs before', 'µs after']
  const align = ['left', 'left', 'left', 'left', 'right', 'right'] as const
  output.text(formatTable(rows, { header, align }))
  if (steps?.isSlower) output.text('kernels were faster alone, but the whole step was not')
}
