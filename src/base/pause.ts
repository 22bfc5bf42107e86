/** Lets the event loop run between steps: timers, signals, a page's drawing. Not here: what is done between. */

const every = 80 // milliseconds of work between two pauses

type Later = (callback: () => void) => unknown
const later: Later = (globalThis as { setImmediate?: Later }).setImmediate ?? ((callback) => setTimeout(callback, 0))

/** A function to await after each step: it pauses only when the last pause is long ago. */
export function pauser(): () => Promise<void> | undefined {
  let last = performance.now()
  return () => {
    if (performance.now() - last < every) return undefined
    return new Promise<void>((resolve) => {
      later(() => {
        last = performance.now()
        resolve()
      })
    })
  }
}
