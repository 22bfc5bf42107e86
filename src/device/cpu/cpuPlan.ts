/**
 * A plan on the fastest tier that is ready: it begins on the device's own and moves between two runs. Before what a run left
 * goes, it saves what somebody may still read.
 * Not here: a plan's memory (bound.ts), code (wasm.ts, native/), finding plans (tensor/plans.ts).
 */
import {
  endsInPlain,
  goesByPictures,
  hasLargePictures,
  makeFewPlan,
  makePlan,
  suitsFew,
  type Plan as Compiled,
  type Target,
  type Value,
} from '../../compiler/index.js'
import type { Node, NodeType } from '../../graph/index.js'
import type { Graph, Holder, Input, Plan, Result, TierName } from '../backend.js'
import { Bound, type Home, type Leaf } from './bound.js'
import type { BackgroundTier, Device, Executable, Pending } from './device.js'
import type { DeviceMemory } from './memory.js'
import { CpuResult, type Owner } from './result.js'

/** Runs on the first tier before a faster one is asked for: what runs only a few times is not worth compiling again. */
const runsBefore = 4

/** A plan's code in an engine and what it was made of, as bytes for a byte of it: measured (decision 19). */
const codeFactor = 40

/** What a run may take before its batch is cut, of the memory that there is. */
const share = 1 / 8

/**
 * Batches of up to so many pictures are computed picture by picture, if nobody wants gradients and their graph can be: where
 * a batch in lanes would leave half of the device's vectors empty. 'auto' goes on in wide vectors soon.
 */
const fewPictures = ({ name, next }: Device): number => (name === 'native' || next ? 8 : 3)

/**
 * Whether sums over a batch of n are better computed after what they are made of: that then goes by a few pictures at a time,
 * while a plan with the sums has to see all.
 */
export const endsApart = ({ order }: Graph, n: number, device: Device): boolean =>
  n > fewPictures(device) && hasLargePictures(order) && order.some(endsInPlain)

/** The device's memory and code, and who is told where a plan ran. */
export interface Cpu extends Home {
  readonly device: Device
  tier: TierName
}

const typeOf = ({ index, companion }: Result, order: readonly Node[]): NodeType => {
  const node = order[index] as Node
  return (companion && node.companion ? node.companion : node).kind.type
}

const leafOf = ({ kind, storage }: Node, index: number): Leaf => ({
  index,
  type: kind.type,
  isHost: storage?.kind === 'host',
})

/** The compiler's plan, and the types of what it leaves. */
interface Made {
  readonly plan: Compiled
  readonly types: readonly NodeType[]
}

export class CpuPlan implements Plan, Owner {
  runs = 0
  left = 0
  tier: TierName
  readonly memory: DeviceMemory
  readonly #cpu: Cpu
  /** Which batches it is for, where a graph has two plans. */
  readonly size: 'few' | 'many' | 'any'
  readonly inputs: readonly number[]
  readonly #leaves: readonly Leaf[]
  /** Batches of any size are best computed a few pictures at a time. */
  readonly #byPictures: boolean
  #bound: Bound
  #types: readonly NodeType[]
  #batch = 1
  /** The same computation for a faster tier, while that compiles it. */
  #next: (Made & { readonly pending: Pending }) | null = null
  #settled = false
  /** Results of the last run that are saved before the next: small ones whoever holds them, others if somebody does then. */
  readonly #small: CpuResult[] = []
  readonly #held: { readonly result: CpuResult; readonly by: Holder }[] = []

  constructor(cpu: Cpu, graph: Graph, n: number) {
    const { device } = cpu
    this.#cpu = cpu
    this.memory = device.memory
    this.tier = device.name
    this.#byPictures = goesByPictures(graph.order)
    this.size = !suitsFew(graph.order, graph.targets) ? 'any' : this.#isFew(graph.targets, n) ? 'few' : 'many'
    this.#leaves = graph.order.flatMap((node, index) => (node.storage ? [leafOf(node, index)] : []))
    this.inputs = this.#leaves.map(({ index }) => index)
    const { plan, types } = this.#make(graph, device.targetFor(n))
    this.#bound = this.#bind(plan, device.compile(plan.program))
    this.#types = types
  }

  #isFew(targets: readonly Node[], n: number): boolean {
    return (
      targets.every(({ requiresGrad }) => !requiresGrad) && (this.#byPictures || n <= fewPictures(this.#cpu.device))
    )
  }

  #make(graph: Graph, target: Target): Made {
    const plan = (this.size === 'few' ? makeFewPlan : makePlan)(graph.order, graph.targets, target)
    return { plan, types: plan.results.map((result) => typeOf(result, graph.order)) }
  }

  #bind(plan: Compiled, executable: Executable): Bound {
    return new Bound(this.#cpu, plan, executable, this.#leaves, () => this.#letGo())
  }

  suits(targets: readonly Node[], n: number): boolean {
    return this.size === 'any' || (this.size === 'few') === this.#isFew(targets, n)
  }

  drop(): void {
    this.#bound.drop()
    this.executable.drop()
    this.#next = null
  }

  get results(): readonly Result[] {
    return this.plan.results
  }

  get bytes(): number {
    return this.executable.bytes * codeFactor
  }

  get plan(): Compiled {
    return this.#bound.plan
  }

  get executable(): Executable {
    return this.#bound.executable
  }

  /** The address table, for profiles. */
  get table(): number {
    return this.#bound.table
  }

  get lanes(): number {
    return this.plan.lanes
  }

  addressOf(value: Value): number {
    return this.#bound.addressOf(value)
  }

  /** Bytes that a run of so many pictures takes besides its inputs on the device. */
  bytesFor(n: number): number {
    return this.#bound.bytesFor(n)
  }

  touch(): void {
    this.#bound.touch()
  }

  hold(result: CpuResult, by: Holder): void {
    this.#held.push({ result, by })
  }

  /** As many as take no more than they should, in pieces of about one size. */
  piece(n: number): number {
    const most = this.memory.limitBytes * share
    let size = n
    while (size > 1 && this.bytesFor(size) > most) size = Math.ceil(size / 2)
    if (size === n) return n
    const whole = Math.ceil(n / Math.ceil(n / size) / 16) * 16
    return Math.min(n, size < 16 ? size : whole)
  }

  needsGraph(n: number): boolean {
    if (this.#settled || this.#next || this.runs < runsBefore) return false
    return this.#cpu.device.next?.targetFor(n) !== undefined
  }

  run(inputs: readonly Input[], n: number, graph?: Graph): void {
    this.#bound.save(inputs, this)
    this.#save()
    if (!this.#settled) this.#advance(n, graph)
    const bound = this.#bound
    try {
      bound.find(inputs, n)
      // from here on what the last run left is gone, also where this one fails
      this.left++
      this.runs++
      this.#batch = n
      bound.run(inputs, n)
    } finally {
      bound.over()
    }
    this.#cpu.tier = this.tier
  }

  result(i: number): CpuResult {
    const { value } = this.plan.results[i] as Compiled['results'][number]
    const result = new CpuResult(this, value, this.#types[i] as NodeType, this.#batch)
    if (result.isSmall) this.#small.push(result)
    return result
  }

  /** Asks for faster code after some runs, and moves to it when it is there. */
  #advance(n: number, graph: Graph | undefined): void {
    const { next } = this.#cpu.device
    if (!next) this.#settled = true
    else if (this.#next) this.#move(next.name, this.#next)
    else if (graph && this.runs >= runsBefore) this.#ask(next, graph, n)
  }

  #ask(next: BackgroundTier, graph: Graph, n: number): void {
    const target = next.targetFor(n)
    if (target === null) this.#settled = true
    if (!target) return
    const made = this.#make(graph, target)
    this.#next = { ...made, pending: next.compile(made.plan.program) }
  }

  #move(name: TierName, { plan, types, pending }: Made & { readonly pending: Pending }): void {
    const executable = pending.poll()
    if (executable === undefined) return
    this.#settled = true
    this.#next = null
    if (!executable) return
    const before = this.#bound
    this.#bound = this.#bind(plan, executable)
    this.#types = types
    before.drop()
    before.executable.drop()
    this.tier = name
  }

  /** Saves what somebody may still read of the last run. */
  #save(): void {
    for (const { result, by } of this.#held) if (by.isHolding) result.save()
    this.#held.length = 0
    for (const result of this.#small) result.save()
    this.#small.length = 0
  }

  /** Its memory is given back. */
  #letGo(): void {
    this.#save()
    this.left++
  }
}
