/**
 * Plans found by the structure of what is to be computed. Those that were not used for long are forgotten.
 * Not here: structures (structure.ts), what a plan is and where it runs (device).
 */
import { CpuPlan, type Backend, type Input, type Plan, type TierName } from '../device/index.js'
import type { Node } from '../graph/index.js'
import { backend } from './current.js'
import { noteRun, recording } from './recording.js'
import { isHost, placeOf, Stored } from './storage.js'
import { sameKey, type Structure } from './structure.js'

/** Counts runs of plans. */
let turn = 0

/** A plan that is found again by its structure. */
export class KnownPlan {
  readonly key: Int32Array
  readonly backend: Backend
  readonly plan: Plan
  /** The turn in which it ran last. */
  lastUse = turn
  isDropped = false

  constructor({ order, key, batch, backend }: Structure, targets: readonly Node[]) {
    this.key = key.slice()
    this.backend = backend
    this.plan = backend.plan({ order, targets }, batch)
  }

  /** Forgets code and memory. Whoever wants to compute the same again asks for a new plan. */
  drop(): void {
    this.plan.drop()
    this.isDropped = true
  }

  /** Computes the graph: values in, one call, results out. */
  run(order: readonly Node[], targets: readonly Node[], batch: number): void {
    recording()?.ran(this, order, batch)
    this.#execute(order, batch, targets)
    this.plan.results.forEach(({ index, companion }, i) => {
      const found = order[index] as Node
      this.give(companion && found.companion ? found.companion : found, i)
    })
  }

  /** Another run of which only the leaves are given, by their places in the order. Its results: see `give`. */
  repeat(leaves: readonly Node[], batch: number): void {
    this.#execute(leaves, batch)
  }

  #execute(order: readonly Node[], batch: number, targets?: readonly Node[]): void {
    const inputs = this.plan.inputs.map((index): Input => {
      const place = placeOf(order[index] as Node)
      return isHost(place) ? place.data : place
    })
    this.lastUse = ++turn
    noteRun()
    this.plan.run(inputs, batch, targets && { order, targets })
  }

  /** The node gets the value that the last run left as result i. */
  give(node: Node, i: number): void {
    node.storage = new Stored(this.backend, this.plan.result(i))
  }
}

/** The tier that the last plan ran on. */
export const tierInUse = (): TierName => backend().tier

const plans = new Map<number, KnownPlan[]>()

/** Plans are made anew from here on, with other tiles say. Steps that were done before keep theirs. */
export const forgetPlans = (): void => plans.clear()

/** All plans that are remembered. */
export const allPlans = (): KnownPlan[] => [...plans.values()].flat()

/** Those of them that run on this machine's processor, for profiles. */
export const cpuPlans = (): CpuPlan[] => allPlans().flatMap(({ plan }) => (plan instanceof CpuPlan ? [plan] : []))

/** Plans of so many bytes are remembered; more where a plan that was dropped had to be made anew. */
let mostBytes = 96 * 2 ** 20

/** Hashes of plans that were dropped. */
const dropped = new Set<number>()

/** Drops plans that were not used for the longest time, where there are too many. The newest stays. */
function forgetOld(newest: KnownPlan, hash: number): void {
  if (dropped.delete(hash)) mostBytes += newest.plan.bytes
  const all = allPlans()
  let bytes = all.reduce((sum, { plan }) => sum + plan.bytes, 0)
  if (bytes <= mostBytes) return
  for (const known of all.sort((a, b) => a.lastUse - b.lastUse)) {
    if (bytes <= mostBytes / 2) return
    if (known === newest) continue
    bytes -= known.plan.bytes
    dropPlan(known)
  }
}

/** Whoever needs it again makes it anew. */
export function dropPlan(plan: KnownPlan): void {
  for (const [hash, alike] of plans) {
    if (!alike.includes(plan)) continue
    dropped.add(hash)
    if (alike.length === 1) plans.delete(hash)
    else alike.splice(alike.indexOf(plan), 1)
  }
  plan.drop()
}

export function planFor(structure: Structure, targets: readonly Node[]): KnownPlan {
  const { hash, key, batch, backend } = structure
  const alike = plans.get(hash)
  if (alike)
    for (const known of alike)
      if (known.backend === backend && sameKey(known.key, key) && known.plan.suits(targets, batch)) return known
  const made = new KnownPlan(structure, targets)
  plans.set(hash, [...(alike ?? []), made])
  forgetOld(made, hash)
  return made
}
