/** Tells how long a task takes, in the article's words. Not here: the log line's format (report). */
import { isPromise } from './base/index.js'
import { logLine } from './report/index.js'

let write = (line: string): void => console.log(line)

/** Where log lines go; default console.log. Returns what was set before. */
export function setLogger(writer: (line: string) => void): (line: string) => void {
  const before = write
  write = writer
  return before
}

const info = (message: string): void => write(logLine('INFO', message, new Date()))

/** A task that is going on; it ends with its block (`using`) or by `finish()`. */
export class TaskTime implements Disposable {
  readonly name: string
  readonly #start = performance.now()
  #finished = false

  constructor(name: string, showStart = false) {
    this.name = name
    if (showStart) info(`start ${name}`)
  }

  /** Seconds since the start. */
  elapsedTime(): number {
    return (performance.now() - this.#start) / 1000
  }

  /** Tells the time taken; once. */
  finish(): void {
    if (this.#finished) return
    this.#finished = true
    info(`finish ${this.name} [elapsed time: ${this.elapsedTime().toFixed(2)} seconds]`)
  }

  [Symbol.dispose](): void {
    this.finish()
  }
}

/**
 * `using task = taskTime('train', true)` tells "start train" and, at the end of the block, "finish train [elapsed time:
 * 1.23 seconds]". With a function it tells the same around it and gives back its result; a promise is waited for.
 * @param showStart tell the start too; default false
 */
export function taskTime(name: string, showStart?: boolean): TaskTime
export function taskTime<T>(name: string, showStart: boolean, body: (task: TaskTime) => T): T
export function taskTime<T>(name: string, showStart = false, body?: (task: TaskTime) => T): TaskTime | T {
  const task = new TaskTime(name, showStart)
  if (!body) return task
  let result: T
  try {
    result = body(task)
  } catch (error) {
    task.finish()
    throw error
  }
  if (!isPromise(result)) task.finish()
  else
    void result.then(
      () => task.finish(),
      () => task.finish(),
    )
  return result
}
