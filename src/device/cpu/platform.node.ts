/**
 * What a device asks of the platform, in Node: threads, native code, what was measured on this machine.
 * Not here: anything that a browser can do too.
 */
import { availableParallelism } from 'node:os'
import { NativeTier } from './native/index.node.js'
import type { Native } from './platform.js'

export { joinCrew } from './crew.node.js'
export type { Crew, Native } from './platform.js'
export { enableRelaxedSimd } from './switches.node.js'
export { readTuning } from './tuning.node.js'

/** Told once, as Node's own warnings are: `--no-warnings` silences it, `process.on('warning')` hears it. */
export function warn(line: string, notice: (line: string) => void): void {
  notice(line)
  process.emitWarning(`lenet: ${line}`)
}

/** Cores that a team may use unless told otherwise. */
export const coreCount = availableParallelism

/** MiB that values may take, as LENET_MEMORY_LIMIT says; NaN where that is no number. */
export function memoryLimit(): number | undefined {
  const { LENET_MEMORY_LIMIT: limit } = process.env
  return limit === undefined || limit === '' ? undefined : Number(limit)
}

/** Native code; whether this machine can make it is found out when it is asked for. */
export const nativeTier = (...args: ConstructorParameters<typeof NativeTier>): Native => new NativeTier(...args)
