/** Ctrl-C and SIGTERM: the first asks the work to stop and save, the second ends the process at once. */

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
  /** Gives the signals back. */
  release(): void
}

const numbers = { SIGINT: 2, SIGTERM: 15 } as const

export function stopSignal(): StopSignal {
  const controller = new AbortController()
  let exitCode = 0
  const handlers = (Object.keys(numbers) as (keyof typeof numbers)[]).map((name) => {
    const handler = (): void => {
      exitCode = 128 + numbers[name]
      if (controller.signal.aborted) process.exit(exitCode)
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
    release: () => handlers.forEach(([name, handler]) => process.off(name, handler)),
  }
}
