/** What every refusal of a file must be: one line that begins with the file's name, quick, and without much memory. */
import assert from 'node:assert/strict'
import { LenetError } from '../../src/base/errors.js'

let highest = 0

/** False if the process's peak rose in this call, and by more than a refusal may need. */
function withinMemory(growth: number): boolean {
  const peak = process.resourceUsage().maxRSS
  const rose = peak > highest
  highest = peak
  return !rose || growth < 200
}

function assertTold(error: unknown, name: string, reason: RegExp): void {
  assert.ok(error instanceof LenetError, `${name}: ${String(error instanceof Error ? error.stack : error)}`)
  assert.match(error.message, reason)
  assert.ok(error.message.startsWith(name), error.message)
  assert.ok(!error.message.includes('\n'), error.message)
  assert.ok(error.message.length < 600, error.message)
}

/** Called at once; what it gives is called after the refusal. Not the clock: tests run beside each other. */
function watch(name: string): () => void {
  const [start, before] = [process.cpuUsage(), process.memoryUsage.rss()]
  return () => {
    const { user, system } = process.cpuUsage(start)
    assert.ok(user + system < 2e6, `${name} took ${(user + system) / 1000} ms`)
    const growth = process.resourceUsage().maxRSS / 1024 - before / 2 ** 20
    assert.ok(withinMemory(growth), `${name}: the refusal took ${growth.toFixed(0)} MiB`)
  }
}

/** `read` throws a LenetError of one line that begins with `name` and matches `reason`, within 2 s of processor time and 200 MiB. */
export function assertRefused(read: () => unknown, name: string, reason: RegExp): void {
  const done = watch(name)
  assert.throws(read, (error: unknown) => {
    assertTold(error, name, reason)
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
