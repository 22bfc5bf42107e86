/**
 * Keras' progress bar, byte for byte on a terminal; elsewhere only the last state, as a plain line.
 * Source: keras.src.utils.progbar. Not here: when it is told of progress (callbacks).
 */
import { exponential, fixed } from './pythonText.js'

const WIDTH = 20
/** Least seconds between two drawings. */
const INTERVAL = 0.05

export type Logs = Record<string, number>
export type Verbose = 0 | 1 | 2

export interface ProgbarOptions {
  readonly target: number
  readonly verbose: Verbose
  readonly write: (text: string) => void
  /** Draw over the same line. */
  readonly isTerminal: boolean
  /** A clock in seconds. */
  readonly now?: () => number
}

/** ' 12ms/step' and the like, with a space in front. */
function timePerStep(seconds: number): string {
  if (seconds >= 1 || seconds === 0) return ` ${fixed(seconds, 0)}s/step`
  return seconds >= 1e-3 ? ` ${fixed(seconds * 1e3, 0)}ms/step` : ` ${fixed(seconds * 1e6, 0)}us/step`
}

/** Time left: '2:01:05', '1:05', '5s'. */
function timeLeft(seconds: number): string {
  const two = (n: number): string => String(Math.trunc(n)).padStart(2, '0')
  if (seconds > 3600) return `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`
  return seconds > 60 ? `${Math.floor(seconds / 60)}:${two(seconds % 60)}` : `${Math.trunc(seconds)}s`
}

const metricText = (name: string, value: number): string =>
  ` - ${name}: ${Math.abs(value) > 1e-3 ? fixed(value, 4) : exponential(value, 4)}`

const bold = (text: string): string => `\x1b[1m${text}\x1b[0m`
const withoutColours = (text: string): string => text.replace(/\x1b\[\d+m/g, '')

export class Progbar {
  readonly #options: ProgbarOptions
  readonly #now: () => number
  readonly #start: number
  #drawn = 0
  #afterFirst: number | null = null
  #lastWidth = 0

  constructor(options: ProgbarOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now() / 1000)
    this.#start = this.#now()
  }

  /** Whether `update` would draw now: values that cost something need not be made before. */
  get isDue(): boolean {
    const { verbose, isTerminal } = this.#options
    return verbose === 1 && isTerminal && (this.#drawn === 0 || this.#now() - this.#drawn >= INTERVAL)
  }

  /** Notes that the first step is done: it is left out of the time a step takes. */
  first(): void {
    this.#afterFirst ??= this.#now()
  }

  update(current: number, logs: Logs): void {
    if (this.isDue) this.#draw(current, logs, false)
  }

  /** Draws the end, and ends the line. */
  finalize(logs: Logs): void {
    const { verbose, target } = this.#options
    if (verbose === 1) this.#draw(target, logs, true)
    if (verbose === 2) this.#options.write(this.#plainLine(target, logs))
  }

  #perStep(current: number, now: number): number {
    if (current === 0) return 0
    if (this.#afterFirst !== null && current > 1) return (now - this.#afterFirst) / (current - 1)
    return (now - this.#start) / current
  }

  #count(current: number): string {
    const { target } = this.#options
    return `${String(current).padStart(String(target).length)}/${target}`
  }

  #bar(current: number): string {
    const done = Math.trunc((WIDTH * current) / this.#options.target)
    const full = done > 0 ? `\x1b[32m${'━'.repeat(done)}\x1b[0m` : ''
    return `${bold(this.#count(current))} ${full}\x1b[37m${'━'.repeat(WIDTH - done)}\x1b[0m`
  }

  #draw(current: number, logs: Logs, isLast: boolean): void {
    const { target, write, isTerminal } = this.#options
    const now = this.#now()
    const perStep = this.#perStep(current, now)
    const time = isLast ? `${fixed(now - this.#start, 0)}s` : timeLeft(perStep * (target - current))
    const values = Object.entries(logs).map(([name, value]) => metricText(name, value))
    const line = `${this.#bar(current)} ${bold(time)}${timePerStep(perStep)}${values.join('')}`
    const width = withoutColours(line).length
    const rest = ' '.repeat(Math.max(0, this.#lastWidth - width))
    const back = '\b'.repeat(this.#lastWidth)
    write(isTerminal ? `${back}\r${line}${rest}${isLast ? '\n' : ''}` : `${withoutColours(line)}\n`)
    this.#lastWidth = width
    this.#drawn = now
  }

  /** The line of verbose 2. */
  #plainLine(current: number, logs: Logs): string {
    const now = this.#now()
    const values = Object.entries(logs).map(([name, value]) => {
      return ` - ${name}: ${value > 1e-3 ? fixed(value, 4) : exponential(value, 4)}`
    })
    const time = `${fixed(now - this.#start, 0)}s -${timePerStep(this.#perStep(current, now))}`
    return `${this.#count(current)} - ${time}${values.join('')}\n`
  }
}
