/**
 * What of a plan depends on leaves in the device's memory alone (parameters): such kernels run only when a flag in memory is
 * set, so that weights are laid anew only when they have changed. Not here: who knows when that is (device/cpu/bound.ts).
 */
import type { Node } from '../../graph/index.js'
import type { ScheduledKernel, Value } from '../kernel.js'
import { addr, loadInt } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import type { Ledger } from './ledger.js'

export interface Prepared {
  /** One i32: 1 where the kernels must run, 0 where their work of an earlier run is good. */
  readonly flag: Value
  /** What they read, by place in the order. */
  readonly leaves: readonly number[]
}

/** The kernels, those that can be prepared behind a flag, and what must last from run to run. */
export function flagged(
  scheduled: Ledger,
  indexOf: ReadonlyMap<Node, number>,
): { kernels: ScheduledKernel[]; prepared: Prepared | null; made: Value[] } {
  const stable = new Map<number, number | null>() // words: the leaf they are, or null for what was prepared
  for (const [node, value] of scheduled.values)
    if (node.storage?.kind === 'device') stable.set(value.word, indexOf.get(node) ?? null)
  const chosen = new Set<ScheduledKernel>()
  const leaves = new Set<number>()
  const made: Value[] = []
  for (const found of scheduled.kernels) {
    const { kernel, values } = found
    const reads = values.filter((_, i) => kernel.buffers[i] !== 'write')
    const owned = values.every((value, i) => kernel.buffers[i] === 'read' || value.alloc !== null)
    if (!('count' in kernel.units) || !owned || !reads.every(({ word }) => stable.has(word))) continue
    chosen.add(found)
    values.forEach((value, i) => {
      const { word } = value
      const leaf = stable.get(word)
      if (typeof leaf === 'number') leaves.add(leaf)
      if (kernel.buffers[i] === 'read') return
      stable.set(word, null)
      made.push(value)
    })
  }
  if (chosen.size === 0) return { kernels: [...scheduled.kernels], prepared: null, made }
  const flag = scheduled.newValue({ shape: [1], dtype: 'i32', layout: 'plain' }, { bytes: 4, per: 0 })
  const kernels = scheduled.kernels.map((found) => (chosen.has(found) ? behind(flag, found, loadInt) : found))
  return { kernels, prepared: { flag, leaves: [...leaves] }, made: [...made, flag] }
}

/** The kernel, to run only where what stands at the flag is `good`. */
export function behind(
  flag: Value,
  { kernel, values, ...rest }: ScheduledKernel,
  good: (flag: Expr) => Expr,
): ScheduledKernel {
  const body = [{ k: 'if', cond: good(addr(values.length)), body: kernel.body, otherwise: [] }] as const
  return { kernel: { ...kernel, body, buffers: [...kernel.buffers, 'read'] }, values: [...values, flag], ...rest }
}
