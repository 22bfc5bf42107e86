/** Whether new nodes remember that a gradient may flow through them. Not here: gradients themselves (gradient.ts). */

import { shared } from '../base/index.js'

export const gradEnabled = (): boolean => shared.gradEnabled

/** Returns what was set before, to set it again afterwards. */
export function setGradEnabled(flag: boolean): boolean {
  const previous = shared.gradEnabled
  shared.gradEnabled = flag
  return previous
}

/** Runs `body` with grad mode off: what it makes does not require grad. */
export function withoutGrad<T>(body: () => T): T {
  const previous = setGradEnabled(false)
  try {
    return body()
  } finally {
    setGradEnabled(previous)
  }
}
