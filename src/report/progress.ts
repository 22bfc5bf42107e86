/**
 * The progress of many steps or bytes in Keras's form: count, bar, time left, time a step, values.
 * On a terminal one line that is drawn over itself; elsewhere (CI, a file) a plain line now and then.
 * It writes by the function it is given and owns no timer: it draws only when it is told of progress.
 */
import { cutText, formatBytes, formatDuration, formatStepTime, textWidth } from './text.js'

const BAR_WIDTH = 20
/** A shorter bar says nothing. */
const SHORTEST_BAR = 5
/** Least time between two drawings, in seconds. */
const REDRAW_SECONDS = 0.1
const PLAIN_SECONDS = 10

export interface ProgressState {
  /** Steps or bytes done. */
  readonly done: number
  /** Steps or bytes in all; without it no bar and no time left. */
  readonly total?: number
  /** Since the beginning. */
  readonly seconds: number
  /** What is counted. Default 'step'. */
  readonly unit?: 'step' | 'byte'
  /** Before the count: 'cifar10'. Default: nothing. */
  readonly label?: string
  /** After the times, in this order: loss, accuracy … Default: none. */
  readonly values?: Readonly<Record<string, number>>
}

/** Keras's bar: '━━━━━━╸' done, the rest a thin line. */
export function bar(share: number, width: number): string {
  const halves = Math.floor(Math.min(1, Math.max(0, share)) * width * 2)
  const full = '━'.repeat(halves >> 1) + (halves % 2 === 1 ? '╸' : '')
  return full.padEnd(width, '─')
}

/** Nothing where the total is not known. */
function barOf({ done, total }: ProgressState, width: number): string {
  return total === undefined ? '' : bar(total > 0 ? done / total : 1, width)
}

/** As Keras: four places, and the exponent for what would be lost in them. */
function formatValue(value: number): string {
  return Math.abs(value) > 1e-3 || value === 0 || !Number.isFinite(value) ? value.toFixed(4) : value.toExponential(4)
}

/** '  12/1563', so wide that the line does not jump; '1.2/184.0 MB'. */
function formatCount({ done, total, unit }: ProgressState): string {
  if (unit === 'byte') return total === undefined ? formatBytes(done) : `${formatBytes(done)}/${formatBytes(total)}`
  return total === undefined ? String(done) : `${String(done).padStart(String(total).length)}/${total}`
}

function formatRate({ done, seconds, unit }: ProgressState): string {
  if (done <= 0) return ''
  if (unit !== 'byte') return `${formatStepTime(seconds / done)}/step`
  return seconds > 0 ? `${formatBytes(done / seconds)}/s` : ''
}

/** Time left while it runs, time taken when done (as Keras). */
function formatTime({ done, total, seconds }: ProgressState): string {
  if (total === undefined || done >= total) return formatDuration(seconds)
  return done > 0 ? formatDuration((seconds / done) * (total - done)) : ''
}

/** What is left out where the line is too long, in this order; the bar has become short before. */
const omissions = [[], ['bar'], ['bar', 'rate'], ['bar', 'rate', 'time'], ['bar', 'rate', 'time', 'label']] as const

/**
 * One line: '500/1563 ━━━━━━╸───────────── 3s 2.6ms/step - loss: 1.7012 - accuracy: 0.3811'.
 * While it runs the time is what is left; when done it is what it took.
 * @param columns where the line would be longer, the bar becomes shorter and then less important parts go, so that count
 *   and values stay; default: any length
 */
export function progressLine(state: ProgressState, columns = Infinity): string {
  const { label = '', values = {} } = state
  const told = Object.entries(values).map(([name, value]) => ` - ${name}: ${formatValue(value)}`)
  const line = (left: readonly string[], barWidth: number): string => {
    const parts = {
      label,
      count: formatCount(state),
      bar: barOf(state, barWidth),
      time: formatTime(state),
      rate: formatRate(state),
    }
    const shown = Object.entries(parts).filter(([name, part]) => part !== '' && !left.includes(name))
    return shown.map(([, part]) => part).join(' ') + told.join('')
  }
  const full = line([], BAR_WIDTH)
  const barWidth = Math.max(SHORTEST_BAR, BAR_WIDTH - Math.max(0, textWidth(full) - columns))
  const lines = omissions.map((left) => line(left, barWidth))
  return lines.find((text) => textWidth(text) <= columns) ?? lines.at(-1) ?? full
}

export interface ProgressOptions {
  /** Where the text goes. */
  readonly write: (text: string) => void
  /** Draw over the same line? Default false: plain lines. */
  readonly isTTY?: boolean
  /** Width of the terminal. Default 80. */
  readonly columns?: number
  readonly total?: number
  readonly unit?: 'step' | 'byte'
  readonly label?: string
  /** A clock in milliseconds. Default `performance.now`. */
  readonly now?: () => number
  /** Least seconds between two plain lines. Default 10. */
  readonly plainSeconds?: number
}

/** Draws progress as it is told. Begin one when the work begins; `finish` it once. */
export class Progress {
  readonly #options: ProgressOptions
  readonly #now: () => number
  readonly #start: number
  #drawnAt: number
  #done = 0
  #total: number | undefined
  #values: Readonly<Record<string, number>> = {}
  #lineIsOpen = false

  constructor(options: ProgressOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    this.#total = options.total
    this.#start = this.#now()
    // A terminal shows the first step at once; a log waits.
    this.#drawnAt = options.isTTY === true ? -Infinity : this.#start
  }

  /**
   * Tells how far it is; drawn at most ten times a second (plain: every ten seconds).
   * @param done steps or bytes so far
   * @param values shown after the times; kept until told anew
   * @param total when it has become known or changed
   */
  update(done: number, values: Readonly<Record<string, number>> = this.#values, total = this.#total): void {
    this.#done = done
    this.#values = values
    this.#total = total
    if (this.isDue) this.#draw()
  }

  /** Whether the next update will be drawn: values that cost something need not be read before. */
  get isDue(): boolean {
    const { isTTY = false, plainSeconds = PLAIN_SECONDS } = this.#options
    const seconds = (this.#now() - this.#drawnAt) / 1000
    return seconds >= (isTTY ? REDRAW_SECONDS : plainSeconds)
  }

  /** Takes the line away for other output (a log line, an error); the next update draws it again. */
  clear(): void {
    if (!this.#lineIsOpen) return
    this.#options.write('\r\x1b[K')
    this.#lineIsOpen = false
    this.#drawnAt = -Infinity
  }

  /** Draws the last state and ends the line. */
  finish(values: Readonly<Record<string, number>> = this.#values): void {
    this.#values = values
    this.#draw()
    if (this.#lineIsOpen) this.#options.write('\n')
    this.#lineIsOpen = false
  }

  #line(columns?: number): string {
    const { label, unit } = this.#options
    const seconds = (this.#now() - this.#start) / 1000
    const state = {
      done: this.#done,
      seconds,
      values: this.#values,
      ...(this.#total !== undefined && { total: this.#total }),
      ...(label !== undefined && { label }),
      ...(unit !== undefined && { unit }),
    }
    return progressLine(state, columns)
  }

  #draw(): void {
    const { write, isTTY = false, columns = 80 } = this.#options
    this.#drawnAt = this.#now()
    if (!isTTY) {
      write(`${this.#line()}\n`)
      return
    }
    // One column is left free: some terminals wrap when the last one is filled.
    write(`\r${cutText(this.#line(columns - 1), columns - 1)}\x1b[K`)
    this.#lineIsOpen = true
  }
}
