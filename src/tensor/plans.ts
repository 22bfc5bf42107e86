/**
 * Plans found by the structure of what is to be computed, and run on the fastest tier that is ready. Plans that were not used
 * for long are forgotten. Not here: structures (structure.ts), a plan's memory (bound.ts).
 */
import { sizeOf } from '../base/index.js'
import {
  goesByPictures,
  makeFewPlan,
  makePlan,
  suitsFew,
  type Plan,
  type PlanResult,
  type Target,
  type Value,
} from '../compiler/index.js'
import type { BackgroundTier, Executable, Pending, TierName } from '../device/index.js'
import type { Node, NodeType } from '../graph/index.js'
import { Bound } from './bound.js'
import { clock } from './clock.js'
import { device } from './current.js'
import { noteRun, recording } from './recording.js'
import { copied, PlanResultStorage, storageOf, type PlanRun } from './storage.js'
import { sameKey, type Structure } from './structure.js'
import { now } from './tenants.js'

/** Results of up to so many elements are copied out before a plan runs again. */
const SMALL = 64

/** Runs on the first tier before a faster one is asked for: what runs only a few times is not worth compiling again. */
const runsBefore = 4

/**
 * Batches of up to so many pictures are computed picture by picture, if nobody wants gradients and their graph can be: where
 * a batch in lanes would leave half of the device's vectors empty. 'auto' goes on in wide vectors soon.
 */
export const fewPictures = (): number => (device().name === 'native' || device().next ? 8 : 3)

/** A plan that is found again by its structure, on the fastest tier that is ready. */
export class BoundPlan implements PlanRun {
  readonly key: Int32Array
  /** Which batches it is for, where a graph has two plans. */
  readonly size: 'few' | 'many' | 'any'
  runs = 0
  left = 0
  tier: TierName
  /** null: this plan was dropped. */
  #bound: Bound | null
  /** The same computation for a faster tier, while that compiles it. */
  #next: { readonly plan: Plan; readonly pending: Pending } | null = null
  #settled = false
  /** Small results of the last run that somebody may still hold. */
  readonly #small: Node[] = []
  /** Results of the last run that cannot be computed anew, and that somebody may still hold. */
  readonly #held: { readonly storage: PlanResultStorage; readonly type: NodeType }[] = []

  constructor({ order, key, batch }: Structure, targets: readonly Node[], few: boolean) {
    const tier = device()
    this.key = key.slice()
    this.tier = tier.name
    this.size = !suitsFew(order, targets) ? 'any' : few ? 'few' : 'many'
    const plan = this.#make(order, targets, tier.targetFor(batch))
    this.#bound = this.#bind(plan, tier.compile(plan.program), order)
  }

  #make(order: readonly Node[], targets: readonly Node[], target: Target): Plan {
    return (this.size === 'few' ? makeFewPlan : makePlan)(order, targets, target)
  }

  #bind(plan: Plan, executable: Executable, order: readonly Node[]): Bound {
    return new Bound(plan, executable, order, () => this.#letGo())
  }

  get #current(): Bound {
    if (!this.#bound) throw new Error('this plan was dropped')
    return this.#bound
  }

  get isDropped(): boolean {
    return this.#bound === null
  }

  /** Forgets code and memory. Whoever wants to compute the same again asks for a new plan. */
  drop(): void {
    const bound = this.#current
    bound.drop()
    bound.executable.drop()
    this.#bound = null
    this.#next = null
  }

  /** About as many bytes as the code takes, and what it was made of. */
  get codeBytes(): number {
    return this.#current.executable.bytes * codeFactor
  }

  /** The turn (tenants.ts) in which it ran last. */
  get lastUse(): number {
    return this.#current.lastUse
  }

  get plan(): Plan {
    return this.#current.plan
  }

  get executable(): Executable {
    return this.#current.executable
  }

  get table(): number {
    return this.#current.table
  }

  get lanes(): number {
    return this.#current.plan.lanes
  }

  addressOf(value: Value): number {
    return this.#current.addressOf(value)
  }

  touch(): void {
    this.#current.lastUse = now()
  }

  /** Bytes that a run of so many pictures takes besides its inputs on the device. */
  bytesFor(batch: number): number {
    return this.#current.bytesFor(batch)
  }

  /** Computes the graph: values in, one call, results out. */
  run(order: readonly Node[], targets: readonly Node[], batch: number): void {
    recording()?.ran(this, order, batch)
    this.#execute(order, targets, batch)
    this.#publish(order)
  }

  /** Whether the next run must have the graph, for a faster tier to compile it. */
  needsGraph(batch: number): boolean {
    if (this.#settled || this.#next || this.runs < runsBefore) return false
    return device().next?.targetFor(batch) !== undefined
  }

  /** Another run of which only the leaves are given, by their places in the order. Its results: see `give`. */
  repeat(leaves: readonly Node[], batch: number): void {
    this.#execute(leaves, null, batch)
  }

  /** The node gets the value that the last run left. */
  give(node: Node, value: Value): void {
    node.storage = new PlanResultStorage(this, value)
    if (node.layout === 'plain' && sizeOf(node.shape) <= SMALL) this.#small.push(node)
  }

  /** Its values are to be saved when this plan runs again in time. */
  hold(storage: PlanResultStorage, type: NodeType): void {
    this.#held.push({ storage, type })
  }

  #execute(order: readonly Node[], targets: readonly Node[] | null, batch: number): void {
    this.#freeze(order)
    if (!this.#settled) this.#advance(order, targets, batch)
    const bound = this.#current
    try {
      bound.find(order)
      // from here on what the last run left is gone, also where this one fails
      this.left++
      this.runs++
      noteRun()
      bound.run(order, batch)
    } finally {
      bound.over()
    }
    lastTier = this.tier
  }

  /** Asks for faster code after some runs, and moves to it when it is there. */
  #advance(order: readonly Node[], targets: readonly Node[] | null, batch: number): void {
    const { next } = device()
    if (!next) this.#settled = true
    else if (this.#next) this.#move(next.name, order)
    else if (targets && this.runs >= runsBefore) this.#ask(next, order, targets, batch)
  }

  #ask(next: BackgroundTier, order: readonly Node[], targets: readonly Node[], batch: number): void {
    const target = next.targetFor(batch)
    if (target === null) this.#settled = true
    if (!target) return
    const plan = this.#make(order, targets, target)
    this.#next = { plan, pending: next.compile(plan.program) }
  }

  #move(name: TierName, order: readonly Node[]): void {
    const executable = this.#next?.pending.poll()
    if (!this.#next || executable === undefined) return
    this.#settled = true
    if (!executable) return
    const before = this.#current
    this.#bound = this.#bind(this.#next.plan, executable, order)
    before.drop()
    before.executable.drop()
    this.#next = null
    this.tier = name
  }

  /** Before memory is written again: small results become host values, inputs that lie in this plan's memory move out. */
  #freeze(order: readonly Node[]): void {
    for (const { index } of this.#current.inputs) {
      const node = order[index] as Node
      const storage = storageOf(node)
      if (storage instanceof PlanResultStorage && storage.plan === this && storage.kept)
        node.storage = storage.save(node)
    }
    this.#save()
  }

  /** Saves what somebody may still read of the last run. */
  #save(): void {
    for (const { storage, type } of this.#held) if (storage.kept && storage.heldUntil >= clock.now) storage.save(type)
    this.#held.length = 0
    for (const node of this.#small) {
      const { storage } = node
      if (storage instanceof PlanResultStorage && storage.kept) node.storage = copied(node, storage)
    }
    this.#small.length = 0
  }

  /** Its memory is given back. */
  #letGo(): void {
    this.#save()
    this.left++
  }

  #publish(order: readonly Node[]): void {
    const { results } = this.plan
    for (let i = 0; i < results.length; i++) {
      const { index, value, companion } = results[i] as PlanResult
      const found = order[index] as Node
      this.give(companion && found.companion ? found.companion : found, value)
    }
  }
}

let lastTier: TierName | null = null

/** The tier that the last plan ran on. */
export const tierInUse = (): TierName => lastTier ?? device().name

const plans = new Map<number, BoundPlan[]>()

/** Plans are made anew from here on, with other tiles say. Steps that were done before keep theirs. */
export const forgetPlans = (): void => plans.clear()

/** All plans that are remembered, for profiles. */
export const allPlans = (): BoundPlan[] => [...plans.values()].flat()

/** A plan's code in an engine and what it was made of, as bytes for a byte of it: measured (decision 19). */
const codeFactor = 40

/** Code of so many bytes is remembered; more where a plan that was dropped had to be made anew. */
let mostCode = 96 * 2 ** 20

/** Hashes of plans that were dropped. */
const dropped = new Set<number>()

/** Drops plans that were not used for the longest time, where there is too much code. The newest stays. */
function forgetOld(newest: BoundPlan, hash: number): void {
  if (dropped.delete(hash)) mostCode += newest.codeBytes
  const all = allPlans()
  let bytes = all.reduce((sum, { codeBytes }) => sum + codeBytes, 0)
  if (bytes <= mostCode) return
  for (const plan of all.sort((a, b) => a.lastUse - b.lastUse)) {
    if (bytes <= mostCode / 2) return
    if (plan === newest) continue
    bytes -= plan.codeBytes
    dropPlan(plan)
  }
}

/** Whoever needs it again makes it anew. */
export function dropPlan(plan: BoundPlan): void {
  for (const [hash, alike] of plans) {
    if (!alike.includes(plan)) continue
    dropped.add(hash)
    if (alike.length === 1) plans.delete(hash)
    else alike.splice(alike.indexOf(plan), 1)
  }
  plan.drop()
}

/** Where plans are only made, and for whom; null where they run. */
let planned: { readonly target: Target; readonly plans: Plan[] } | null = null

/** Thrown in the place of a plan's first run. */
const onlyPlanned = Symbol('only planned')

/**
 * The plan of what the function computes first, for any machine: it is made and not run. For figures of plans; what the
 * function was in the middle of is of no use afterwards.
 */
export function planOnly(target: Target, compute: () => void): Plan | undefined {
  const made: Plan[] = []
  planned = { target, plans: made }
  try {
    compute()
  } catch (error) {
    if (error !== onlyPlanned) throw error
  } finally {
    planned = null
  }
  return made[0]
}

/** Few pictures, or large ones, which are computed a few at a time. */
function isFew({ batch, order }: Structure, targets: readonly Node[]): boolean {
  if (targets.some(({ requiresGrad }) => requiresGrad)) return false
  return batch <= fewPictures() || goesByPictures(order)
}

export function planFor(structure: Structure, targets: readonly Node[]): BoundPlan {
  if (planned) {
    planned.plans.push(makePlan(structure.order, targets, planned.target))
    throw onlyPlanned
  }
  const few = isFew(structure, targets)
  const other = few ? 'many' : 'few'
  const known = plans.get(structure.hash)
  if (known) for (const plan of known) if (plan.size !== other && sameKey(plan.key, structure.key)) return plan
  const made = new BoundPlan(structure, targets, few)
  plans.set(structure.hash, [...(known ?? []), made])
  forgetOld(made, structure.hash)
  return made
}
