/**
 * Times of several ways to do the same on a noisy machine: measured in turns, judged by pairs and by the best of all.
 * Not here: what is timed (tuneTrials.ts).
 */

/** A way to do it; does it once. */
export type Way = () => void

/** What is this much faster is better; less may be noise. */
const worthwhile = 0.02

/** Each measurement takes at least so long, in ms: the clock counts microseconds. */
const leastMs = 0.15

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
}

function timeOf(way: Way, times: number): number {
  const start = performance.now()
  for (let i = 0; i < times; i++) way()
  return (performance.now() - start) / times
}

/** How often a way is done for one measurement. The first call warms up. */
function repeats(way: Way): number {
  way()
  return Math.max(1, Math.ceil(leastMs / Math.max(timeOf(way, 1), 1e-3)))
}

/**
 * Times all ways in turns: [round][way], in ms. Every other round goes backwards, so that what comes first in a pair is
 * not always the same. Between rounds others may run (signals, timers).
 */
export async function inTurns(ways: readonly Way[], rounds: number): Promise<number[][]> {
  const times = Math.max(...ways.map(repeats))
  const found: number[][] = []
  for (let round = 0; round < rounds; round++) {
    const row: number[] = []
    const order = [...ways.keys()]
    if (round % 2 === 1) order.reverse()
    for (const i of order) row[i] = timeOf(ways[i] as Way, times)
    found.push(row)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return found
}

const columnOf = (rounds: readonly (readonly number[])[], way: number): number[] => rounds.map((row) => row[way] ?? NaN)

export const least = (rounds: readonly (readonly number[])[], way: number): number => Math.min(...columnOf(rounds, way))

/** A way's time as a part of the first way's: the median of pairs of one round, and the least times of all. */
function ratiosOf(rounds: readonly (readonly number[])[], way: number): [pairs: number, least: number] {
  const pairs = rounds.map((row) => (row[way] ?? NaN) / (row[0] ?? NaN))
  return [median(pairs), least(rounds, way) / least(rounds, 0)]
}

/** Both ways of looking say that it is slower than the first, by more than `noise`. */
export const isSlower = (rounds: readonly (readonly number[])[], way: number, noise: number): boolean =>
  Math.min(...ratiosOf(rounds, way)) > 1 + noise

/** The way that is faster than the first by more than noise, the fastest such; 0 where there is none. */
export function bestOf(rounds: readonly (readonly number[])[]): number {
  let best = 0
  let ratio = 1 - worthwhile
  for (let way = 1; way < (rounds[0]?.length ?? 0); way++) {
    // the larger of the two: one lucky measurement proves nothing
    const found = Math.max(...ratiosOf(rounds, way))
    if (found < ratio) [best, ratio] = [way, found]
  }
  return best
}
