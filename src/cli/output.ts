/**
 * Where the command line writes: text for people, or one JSON object a line with --json (then nothing else on stdout, and
 * stderr is silent but for errors). Not here: what is written.
 */
import { logLine, printable, Progress, type ProgressOptions } from '../report/index.js'

export interface Output {
  readonly json: boolean
  /** A line of text; nothing with --json. */
  text(line: string): void
  /** A log line with time and level; nothing with --json. */
  info(message: string): void
  warn(message: string): void
  /** What the user should know of this run: a line on stderr, or an event with --json. */
  notice(message: string): void
  /** A line on stderr: something failed, and the command goes on. */
  error(message: string): void
  /** A JSON line; nothing without --json. */
  event(event: object): void
  /** A line that is drawn over itself on a terminal, on stderr. */
  progress(options: Omit<ProgressOptions, 'write' | 'isTTY' | 'columns'>): Progress
  /** "start …" and "finish … [elapsed time: 1.23 seconds]" around a task. */
  task<T>(name: string, body: () => T | Promise<T>): Promise<T>
}

/** '1 thread', '2 threads'. */
export const count = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`

/** Errors and notices are one line each, without what a terminal would obey. */
export const oneLine = (message: string): string => printable(message.replaceAll(/\s*\n\s*/g, ' ').trim())

export function createOutput(json: boolean): Output {
  let open: Progress | undefined
  const line = (text: string): void => {
    open?.clear()
    process.stdout.write(`${text}\n`)
  }
  const log = (level: 'INFO' | 'WARNING', message: string): void => {
    if (!json) line(logLine(level, message, new Date()))
  }
  const info = (message: string): void => log('INFO', message)
  const error = (message: string): void => {
    open?.clear()
    process.stderr.write(`lenet: ${oneLine(message)}\n`)
  }
  const event = (told: object): void => {
    if (json) process.stdout.write(`${JSON.stringify(told)}\n`)
  }
  return {
    json,
    info,
    text: (text) => {
      if (!json) line(text)
    },
    warn: (message) => log('WARNING', message),
    error,
    notice: (message) => {
      if (json) event({ event: 'notice', message })
      else error(message)
    },
    event,
    progress: (options) => {
      const { isTTY, columns } = process.stderr
      const write = json ? () => {} : (text: string) => void process.stderr.write(text)
      open = new Progress({ ...options, write, isTTY: isTTY === true, ...(columns ? { columns } : {}) })
      return open
    },
    task: async (name, body) => {
      const start = performance.now()
      info(`start ${name}`)
      const result = await body()
      info(`finish ${name} [elapsed time: ${((performance.now() - start) / 1000).toFixed(2)} seconds]`)
      return result
    },
  }
}
