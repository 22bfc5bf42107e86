/** Ctrl-C, SIGTERM and a terminal that goes (SIGHUP): the first asks the work to stop and save, a later second ends the process at once. */

import { holdFolder } from './runLock.js'

/** Thrown when a signal stopped the work, after everything was saved. */
export class Stopped extends Error {
  readonly exitCode: number
  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

export interface StopSignal {
  readonly signal: AbortSignal
  /** 128 + the signal's number. */
  readonly exitCode: number
  /** Throws Stopped with the message once a signal came: the work ends here. */
  check(message: string): void
  /** Gives the signals back, if none came. */
  release(): void
}

const numbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/**
 * Signals so near are one: npm passes on to its script what the terminal has sent to both, and a busy event loop
 * hands over together what came apart. The work must not be lost for that.
 */
const sameMs = 500

export function stopSignal(): StopSignal {
  const controller = new AbortController()
  let exitCode = 0
  let stoppedAt = 0
  const handlers = (Object.keys(numbers) as (keyof typeof numbers)[]).map((name) => {
    const handler = (): void => {
      const again = controller.signal.aborted
      if (again && performance.now() - stoppedAt < sameMs) return
      exitCode = 128 + numbers[name]
      if (again) process.exit(exitCode)
      stoppedAt = performance.now()
      controller.abort()
    }
    process.on(name, handler)
    return [name, handler] as const
  })
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode
    },
    check: (message) => {
      if (controller.signal.aborted) throw new Stopped(message, exitCode)
    },
    release: () => {
      // After a stop they stay: an echo must not end the process while it says what it has saved.
      if (!controller.signal.aborted) handlers.forEach(([name, handler]) => process.off(name, handler))
    },
  }
}

/** Work that a signal may interrupt where it has nothing to save. */
export interface Stoppable {
  /** What it writes into: one at a time. */
  readonly folder: string
  run(): Promise<void>
  /** Throws Stopped once a signal came. */
  checkStop(): void
}

/** Runs the job, which has its folder to itself; what a signal interrupted ends by what the job says of it. */
export async function runUntilStopped(job: Stoppable, stop: StopSignal): Promise<void> {
  let release = (): void => {}
  try {
    release = holdFolder(job.folder)
    await job.run()
  } catch (error) {
    if (error === stop.signal.reason) job.checkStop()
    throw error
  } finally {
    release()
    stop.release()
  }
}
