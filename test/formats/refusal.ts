/** What every refusal of a file must be: one line that begins with the file's name, by few steps and little memory. */
import assert from 'node:assert/strict'
import { LenetError } from '../../src/base/errors.js'
import { countSteps } from './steps.js'

/** A processor of today makes so many in some two seconds; the slowest refusal takes half of them. */
const mostSteps = 250e6

let highest = 0

/** False if the process's peak rose in this call, and by more than a refusal may need. */
function withinMemory(growth: number): boolean {
  const peak = process.resourceUsage().maxRSS
  const rose = peak > highest
  highest = peak
  return !rose || growth < 200
}

function assertTold(error: unknown, name: string, reason: RegExp, longest = 600): void {
  assert.ok(error instanceof LenetError, `${name}: ${String(error instanceof Error ? error.stack : error)}`)
  assert.match(error.message, reason)
  assert.ok(error.message.startsWith(name), error.message)
  assert.ok(!error.message.includes('\n'), error.message)
  assert.ok(error.message.length < longest, error.message)
}

/** Called at once; what it gives is called after the refusal. */
function watch(name: string): () => void {
  const [stepsSoFar, before] = [countSteps(), process.memoryUsage.rss()]
  return () => {
    const steps = stepsSoFar()
    assert.ok(steps < mostSteps, `${name}: the refusal took ${steps} steps`)
    const growth = process.resourceUsage().maxRSS / 1024 - before / 2 ** 20
    assert.ok(withinMemory(growth), `${name}: the refusal took ${growth.toFixed(0)} MiB`)
  }
}

/** `read` throws a LenetError of one line that begins with `name` and matches `reason`, within 250 million steps and 200 MiB. */
export function assertRefused(read: () => unknown, name: string, reason: RegExp, longest?: number): void {
  const done = watch(name)
  assert.throws(read, (error: unknown) => {
    assertTold(error, name, reason, longest)
    return true
  })
  done()
}

/** The same of what reads in its own time. */
export async function assertRefusedLater(read: () => Promise<unknown>, name: string, reason: RegExp): Promise<void> {
  const done = watch(name)
  await assert.rejects(read, (error: unknown) => {
    assertTold(error, name, reason)
    return true
  })
  done()
}
