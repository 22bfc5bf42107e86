/**
 * A plan: the program of a graph and where its values lie, in terms of positions in the graph's order, so that any graph
 * of the same structure can use it. Not here: memory itself, or finding a plan (tensor/).
 */
import type { Node } from '../../graph/index.js'
import { slackBytes, type Alloc, type ScheduledKernel, type Value } from '../kernel.js'
import type { Program } from '../loop/ir.js'
import { guarded, type Check } from './check.js'
import { computeTable } from './compute.js'
import { FewScheduler, fewTarget } from './few.js'
import { intoPhases } from './phases.js'
import { flagged, type Prepared } from './prepare.js'
import type { Target } from '../tile/target.js'
import { Scheduler } from './scheduler.js'

/** A value that a node of the order has once the plan has run. Other shapes of leaves are none: they would outlive the leaf. */
export interface PlanResult {
  readonly index: number // in the order
  readonly value: Value
  /** It is that node's companion that has the value. */
  readonly companion: boolean
}

export interface Plan {
  readonly program: Program
  /** Pictures in a block of values in lanes. */
  readonly lanes: number
  readonly allocs: readonly Alloc[]
  /** For each word of the address table behind word 0: the allocation and offset, or the leaf it is of. */
  readonly words: readonly ({ readonly alloc: number; readonly offset: number } | { readonly leaf: number })[]
  readonly results: readonly PlanResult[]
  /** Kernels whose work stays good as long as the leaves that it was made of: they run only when told to. */
  readonly prepared: Prepared | null
  /** What must be looked at after each run. */
  readonly checks: readonly Check[]
  /** For each kernel of the program the names of the choices (tile/) that it was made with. */
  readonly choices: readonly (readonly string[])[]
}

/** Plans the computation of `targets`; `order` has every node they need, inputs before users. */
export function makePlan(order: readonly Node[], targets: readonly Node[], target: Target): Plan {
  const { lanes } = target
  const scheduler = new Scheduler(order, targets, target, computeTable)
  scheduler.run(targets)
  const indexOf = new Map(order.map((node, i) => [node, i]))
  const results: PlanResult[] = []
  for (const [node, value] of scheduler.values) {
    const index = indexOf.get(node) ?? indexOf.get(node.companion ?? node)
    if (index === undefined || node.storage?.kind === 'host' || node.op === 'assign' || !value.alloc) continue
    results.push({ index, value, companion: !indexOf.has(node) })
  }
  const { checks } = scheduler
  return assemble(order, scheduler, guarded(scheduler.kernels, checks), { lanes, results, prepared: null, checks })
}

/** Plans the forward pass `targets` for few pictures, one at a time; see `suitsFew`. Only the targets are results. */
export function makeFewPlan(order: readonly Node[], targets: readonly Node[], target: Target): Plan {
  const scheduler = new FewScheduler(order, targets, fewTarget(target, order))
  const indexOf = new Map(order.map((node, i) => [node, i]))
  const results = targets.map((node) => {
    return { index: indexOf.get(node) ?? -1, value: scheduler.result(node), companion: false }
  })
  const { kernels, prepared } = flagged(scheduler, indexOf)
  return assemble(order, scheduler, kernels, { lanes: 1, results, prepared, checks: [] })
}

interface Scheduled {
  readonly lanes: number
  readonly values: ReadonlyMap<Node, Value>
  readonly allWords: readonly Value[]
}

function assemble(
  order: readonly Node[],
  { lanes, values, allWords }: Scheduled,
  scheduled: readonly ScheduledKernel[],
  rest: Pick<Plan, 'lanes' | 'results' | 'prepared' | 'checks'>,
): Plan {
  const indexOf = new Map(order.map((node, i) => [node, i]))
  const allocs = [...new Set(allWords.flatMap((value) => value.alloc ?? []))]
  const leaves = new Map<number, number>()
  const hosts = new Set<Value>()
  for (const [node, value] of values) {
    const index = indexOf.get(node)
    if (node.storage && index !== undefined) leaves.set(value.word, index)
    if (node.storage?.kind === 'host') hosts.add(value)
  }
  const numbers = new Map(allocs.map((alloc, i) => [alloc, i]))
  const words = allWords.map((value) => wordOf(value, numbers, leaves))
  const { kernels, barriers } = intoPhases(scheduled, lanes, (leaf) => hosts.has(leaf))
  const program: Program = {
    kernels: kernels.map((k) => k.kernel),
    slots: kernels.map((k) => k.values.map((value) => value.word)),
    slotCount: allWords.length + 1,
    barriers,
  }
  return { program, allocs, words, choices: kernels.map((k) => k.choices ?? []), ...rest }
}

function wordOf(
  value: Value,
  numbers: ReadonlyMap<Alloc, number>,
  leaves: ReadonlyMap<number, number>,
): Plan['words'][number] {
  if (value.alloc) return { alloc: numbers.get(value.alloc) ?? -1, offset: value.offset }
  const leaf = leaves.get(value.word)
  if (leaf === undefined) throw new Error('a value without memory that is no leaf')
  return { leaf }
}

/** Bytes of an allocation for batches of up to `capacity` pictures (a multiple of 8). */
export const allocBytes = (alloc: Alloc, capacity: number): number =>
  (alloc.per === 0 ? alloc.bytes : alloc.bytes * Math.ceil(capacity / alloc.per)) + slackBytes
