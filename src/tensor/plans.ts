/**
 * Plans found by the structure of what is to be computed, and run on the fastest tier that is ready. The second step of a
 * loop finds its plan by one walk over the graph. Not here: a plan's memory (bound.ts).
 */
import { sizeOf } from '../base/index.js'
import { makePlan, type Plan, type Value } from '../compiler/index.js'
import type { BackgroundTier, Executable, Pending, TierName } from '../device/index.js'
import type { HostStorage, Node } from '../graph/index.js'
import { Bound } from './bound.js'
import { device, isHost, PlanResultStorage, Saved, Stale, upload, valuesOf, type PlanRun } from './storage.js'

/** Results of up to so many elements are copied out before a plan runs again. */
const SMALL = 64

/** A graph as numbers: for each node (inputs first) what it is and which nodes it reads, then the targets. */
export interface Structure {
  readonly order: readonly Node[]
  readonly key: readonly number[]
  readonly hash: number
  /** Sizes of batches met; one plan has one. */
  readonly batches: ReadonlySet<number>
}

const codeOf = (node: Node): number => {
  if (node.storage) return -(2 * node.signature + (isHost(node.storage) ? 1 : 0))
  return 2 * node.signature + (node.op === 'maxPool2d' && node.requiresGrad ? 1 : 0)
}

let walks = 0

const isLost = ({ storage }: Node): boolean => storage instanceof PlanResultStorage && !storage.kept

/**
 * Whether a value that a later run of its plan overwrote can be computed anew: all that it comes from is still there.
 * So it is with a batch whose gradients wait while another batch runs.
 */
function canRecompute(lost: Node): boolean {
  const seen = new Set([lost])
  for (const node of seen) {
    if (node.storage instanceof Stale) return false
    if (node.storage && !isLost(node)) continue
    if (node.inputs.length === 0 && node.op !== 'const') return false
    for (const input of node.inputs) seen.add(input)
  }
  return true
}

/** Takes the storage from a node whose values are gone, if they can be computed anew. */
export function forgetLost(node: Node): void {
  if (isLost(node) && canRecompute(node)) node.storage = null
}

/** Walks from the targets to nodes that have values. Parameters are moved to the device for good. */
export function structureOf(targets: readonly Node[]): Structure {
  const walk = ++walks
  const order: Node[] = []
  const key: number[] = []
  const batches = new Set<number>()
  const visit = (node: Node): void => {
    node.walk = walk
    if (node.op === 'leaf' && node.requiresGrad && node.storage && isHost(node.storage))
      node.storage = upload(node.storage.data)
    forgetLost(node)
    if (!node.storage) for (const input of node.inputs) if (input.walk !== walk) visit(input)
    if (node.layout !== 'plain') batches.add(node.shape[0] ?? 1)
    key.push(codeOf(node))
    if (!node.storage) for (const input of node.inputs) key.push(input.place)
    node.place = order.push(node) - 1
  }
  for (const target of targets) {
    if (target.walk !== walk) visit(target)
    key.push(-1, target.place)
  }
  let hash = 0
  for (const word of key) hash = (Math.imul(hash, 31) + word) | 0
  return { order, key, hash, batches }
}

/** Runs on the first tier before a faster one is asked for: what runs only a few times is not worth compiling again. */
const runsBefore = 4

/** A plan that is found again by its structure, on the fastest tier that is ready. */
export class BoundPlan implements PlanRun {
  readonly key: readonly number[]
  runs = 0
  tier: TierName
  #bound: Bound
  /** The same computation for a faster tier, while that compiles it. */
  #next: { readonly plan: Plan; readonly pending: Pending } | null = null
  #settled = false
  /** Small results of the last run that somebody may still hold. */
  #small: Node[] = []

  constructor({ order, key }: Structure, targets: readonly Node[], batch: number) {
    const tier = device()
    this.key = key
    this.tier = tier.name
    const plan = makePlan(order, targets, tier.lanesFor(batch))
    this.#bound = new Bound(plan, tier.compile(plan.program), order)
  }

  get plan(): Plan {
    return this.#bound.plan
  }

  get executable(): Executable {
    return this.#bound.executable
  }

  get table(): number {
    return this.#bound.table
  }

  get lanes(): number {
    return this.#bound.plan.lanes
  }

  addressOf(value: Value): number {
    return this.#bound.addressOf(value)
  }

  /** Computes the graph: values in, one call, results out. */
  run(order: readonly Node[], targets: readonly Node[], batch: number): void {
    this.#freeze(order)
    if (!this.#settled) this.#advance(order, targets, batch)
    this.#bound.find(order)
    // from here on what the last run left is gone, also where this one fails
    this.runs++
    this.#bound.run(order, batch)
    lastTier = this.tier
    this.#publish(order)
  }

  /** Asks for faster code after some runs, and moves to it when it is there. */
  #advance(order: readonly Node[], targets: readonly Node[], batch: number): void {
    const { next } = device()
    if (!next) this.#settled = true
    else if (this.#next) this.#move(next.name, order)
    else if (this.runs >= runsBefore) this.#ask(next, order, targets, batch)
  }

  #ask(next: BackgroundTier, order: readonly Node[], targets: readonly Node[], batch: number): void {
    const lanes = next.lanesFor(batch)
    if (lanes === null) this.#settled = true
    if (typeof lanes !== 'number') return
    const plan = makePlan(order, targets, lanes)
    this.#next = { plan, pending: next.compile(plan.program) }
  }

  #move(name: TierName, order: readonly Node[]): void {
    const executable = this.#next?.pending.poll()
    if (!this.#next || executable === undefined) return
    this.#settled = true
    if (!executable) return
    this.#bound = new Bound(this.#next.plan, executable, order)
    this.#next = null
    this.tier = name
  }

  /** Before memory is written again: small results become host values, inputs that lie in this plan's memory move out. */
  #freeze(order: readonly Node[]): void {
    for (const { index } of this.#bound.inputs) {
      const node = order[index] as Node
      const { storage } = node
      if (storage instanceof PlanResultStorage && storage.plan === this && storage.kept)
        node.storage = new Saved(node, storage)
    }
    for (const node of this.#small) {
      const { storage } = node
      if (storage instanceof PlanResultStorage && storage.kept) {
        const kept: HostStorage = { kind: 'host', data: valuesOf(node) }
        node.storage = kept
      }
    }
    this.#small = []
  }

  #publish(order: readonly Node[]): void {
    for (const { index, value, companion } of this.plan.results) {
      const found = order[index] as Node
      const node = companion && found.companion ? found.companion : found
      node.storage = new PlanResultStorage(this, value)
      if (node.layout === 'plain' && sizeOf(node.shape) <= SMALL) this.#small.push(node)
    }
  }
}

let lastTier: TierName | null = null

/** The tier that the last plan ran on. */
export const tierInUse = (): TierName => lastTier ?? device().name

const plans = new Map<number, BoundPlan[]>()

const sameKey = (a: readonly number[], b: readonly number[]): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** All plans made so far, for profiles. */
export const allPlans = (): BoundPlan[] => [...plans.values()].flat()

export function planFor(structure: Structure, targets: readonly Node[], batch: number): BoundPlan {
  const known = plans.get(structure.hash)
  const found = known?.find((plan) => sameKey(plan.key, structure.key))
  if (found) return found
  const made = new BoundPlan(structure, targets, batch)
  plans.set(structure.hash, [...(known ?? []), made])
  return made
}
