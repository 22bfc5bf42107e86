/**
 * What all copies of this library in one thread of a process have together. A test runner loads the library anew for each
 * file, into globals of its own; only node's modules are the same for all. Copies of another version, or with other
 * workers, have nothing to do with it.
 * Plain values only: what one copy's functions are kept for keeps the whole copy.
 */
import workerThreads from 'node:worker_threads'
import { workersName } from './workerCode.js'

const place = workerThreads as unknown as Record<symbol, Map<string, unknown> | undefined>
const key = Symbol.for(`lenet ${workersName}`)

/** What is kept under a name. */
export const shared = <T>(name: string): T | undefined => place[key]?.get(name) as T | undefined

export function share(name: string, value: unknown): void {
  const all = place[key] ?? new Map<string, unknown>()
  if (!place[key]) Object.defineProperty(place, key, { value: all })
  all.set(name, value)
}

export function unshare(name: string): void {
  place[key]?.delete(name)
}
