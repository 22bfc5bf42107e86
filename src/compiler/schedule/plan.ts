/**
 * A plan: the program of a graph and where its values lie, in terms of positions in the graph's order, so that any graph
 * of the same structure can use it. Not here: memory itself, or finding a plan (tensor/).
 */
import type { Node } from '../../graph/index.js'
import { type Alloc, type ScheduledKernel, type Value } from '../kernel.js'
import type { Program } from '../loop/ir.js'
import { shareKernels } from '../loop/same.js'
import { guarded, type Check } from './check.js'
import { computeTable } from './compute.js'
import { keptBy } from './kept.js'
import { FewScheduler, fewTarget } from './few.js'
import type { Life, Piece } from './memory.js'
import { intoPhases, type Phased } from './phases.js'
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
  readonly allocs: readonly Piece[]
  /** For each word of the address table behind word 0: the allocation and offset, or the leaf it is of and its last phase. */
  readonly words: readonly (
    | { readonly alloc: number; readonly offset: number }
    | { readonly leaf: number; readonly last: number }
  )[]
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
  const isKept = keptBy(targets)
  const results: PlanResult[] = []
  for (const [node, value] of scheduler.values) {
    const index = indexOf.get(node) ?? indexOf.get(node.companion ?? node)
    if (index === undefined || node.storage?.kind === 'host' || node.op === 'assign' || !value.alloc) continue
    if (isKept(node)) results.push({ index, value, companion: !indexOf.has(node) })
  }
  const { checks } = scheduler
  const kept = [...results.map(({ value }) => value), ...checks.map(({ flag }) => flag)]
  return assemble(order, scheduler, guarded(scheduler.kernels, checks), kept, {
    lanes,
    results,
    prepared: null,
    checks,
  })
}

/** Plans the forward pass `targets` for few pictures, one at a time; see `suitsFew`. Only the targets are results. */
export function makeFewPlan(order: readonly Node[], targets: readonly Node[], target: Target): Plan {
  const scheduler = new FewScheduler(order, targets, fewTarget(target, order))
  const indexOf = new Map(order.map((node, i) => [node, i]))
  const results = targets.map((node) => {
    return { index: indexOf.get(node) ?? -1, value: scheduler.result(node), companion: false }
  })
  const { kernels, prepared, made } = flagged(scheduler, indexOf)
  const kept = [...results.map(({ value }) => value), ...made]
  return assemble(order, scheduler, kernels, kept, { lanes: 1, results, prepared, checks: [] })
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
  kept: readonly Value[],
  rest: Pick<Plan, 'lanes' | 'results' | 'prepared' | 'checks'>,
): Plan {
  const indexOf = new Map(order.map((node, i) => [node, i]))
  const leaves = new Map<number, number>()
  const hosts = new Set<Value>()
  for (const [node, value] of values) {
    const index = indexOf.get(node)
    if (node.storage && index !== undefined) leaves.set(value.word, index)
    if (node.storage?.kind === 'host') hosts.add(value)
  }
  const allocs = [...new Set(allWords.flatMap((value) => value.alloc ?? []))]
  const phased = intoPhases(scheduled, { lanes, isHost: (leaf) => hosts.has(leaf), apart: isHeavy(allocs) })
  const lives = livesOf(phased)
  const numbers = new Map(allocs.map((alloc, i) => [alloc, i]))
  const names = namesOf(values)
  const keptAllocs = new Set(kept.map(({ alloc }) => alloc))
  const program: Program = {
    kernels: shareKernels(phased.kernels.map((k) => k.kernel)),
    slots: phased.kernels.map((k) => k.values.map((value) => value.word)),
    slotCount: allWords.length + 1,
    barriers: phased.barriers,
    joins: phased.joins,
  }
  return {
    program,
    allocs: allocs.map((alloc) => ({
      ...alloc,
      ...(lives.get(alloc) ?? never),
      kept: keptAllocs.has(alloc),
      what: names.get(alloc),
    })),
    words: allWords.map((value) => wordOf(value, numbers, leaves, lives)),
    choices: phased.kernels.map((k) => k.choices ?? []),
    ...rest,
  }
}

/** What each allocation holds, as people are told it. */
function namesOf(values: ReadonlyMap<Node, Value>): Map<Alloc, string> {
  const names = new Map<Alloc, string>()
  for (const [{ op, shape, layout }, { alloc }] of values) {
    const dims = layout === 'plain' ? shape : ['N', ...shape.slice(1)]
    if (alloc && !names.has(alloc)) names.set(alloc, `${op} [${dims.join(', ')}]`)
  }
  return names
}

/** No kernel touches it. */
const never: Life = { first: 0, last: 0 }

/**
 * Where a plan's values take so many bytes a picture, each kernel is a phase of its own: meeting costs nothing beside the
 * work, and what one kernel leaves behind gives its room to the next.
 */
const heavyBytes = 2 ** 20

const isHeavy = (allocs: readonly Alloc[]): boolean =>
  allocs.reduce((sum, { bytes, per }) => sum + (per > 0 ? bytes / per : 0), 0) > heavyBytes

/** How long each allocation, and each leaf's word, is touched. */
function livesOf({ kernels, barriers }: Phased): Map<Alloc | number, Life> {
  const lives = new Map<Alloc | number, Life>()
  let phase = 0
  kernels.forEach(({ values }, k) => {
    if (barriers[k]) phase++
    for (const { alloc, word } of values) {
      const place = alloc ?? word
      lives.set(place, { first: lives.get(place)?.first ?? phase, last: phase })
    }
  })
  return lives
}

function wordOf(
  value: Value,
  numbers: ReadonlyMap<Alloc, number>,
  leaves: ReadonlyMap<number, number>,
  lives: ReadonlyMap<Alloc | number, Life>,
): Plan['words'][number] {
  if (value.alloc) return { alloc: numbers.get(value.alloc) ?? -1, offset: value.offset }
  const leaf = leaves.get(value.word)
  if (leaf === undefined) throw new Error('a value without memory that is no leaf')
  return { leaf, last: lives.get(value.word)?.last ?? -1 }
}
