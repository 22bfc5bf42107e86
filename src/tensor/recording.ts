/**
 * What happens during a step that is recorded: told by those who do it, kept for `compileStep`.
 * Not here: what becomes of it (captured.ts).
 */
import { shared } from '../base/index.js'
import type { Kind, Node, Owner, Storage } from '../graph/index.js'
import type { KnownPlan } from './plans.js'
import type { Tensor } from './tensor.js'

/** A leaf that a plan reads, as it was before the plan ran. */
export interface ReadLeaf {
  readonly index: number
  readonly storage: Storage
  readonly kind: Kind
  readonly owner: Owner | null
  readonly requiresGrad: boolean
}

export interface RecordedRun {
  readonly plan: KnownPlan
  readonly batch: number
  readonly order: readonly Node[]
  readonly leaves: readonly ReadLeaf[]
}

/** What JavaScript does in a step and must do again in each repetition. */
export interface Repeated {
  /** False when it would not be the same again: the step is then done anew. */
  valid?(): boolean
  before?(): void
  /** When the plan has run. */
  after?(): void
}

let ownRuns = 0

/** A plan of ours runs. */
export function noteRun(): void {
  ownRuns++
  shared.runs++
}

/** Runs of other copies of lenet in this program. */
const foreignRuns = (): number => shared.runs - ownRuns

export class Recording {
  readonly #foreignRuns = foreignRuns()
  readonly runs: RecordedRun[] = []
  /** Keys of random numbers, in the order in which they were drawn. */
  readonly keys: Int32Array[] = []
  readonly repeated: Repeated[] = []
  /** Tensors that got gradients. */
  readonly gradients = new Set<Tensor>()
  /** Something happened that cannot be repeated without running the step. */
  spoiled = false

  /** Another copy of lenet has computed meanwhile: a repetition would leave that out. */
  get isForeign(): boolean {
    return foreignRuns() !== this.#foreignRuns
  }

  ran(plan: KnownPlan, order: readonly Node[], batch: number): void {
    const leaves: ReadLeaf[] = []
    order.forEach(({ storage, kind, owner, requiresGrad }, index) => {
      if (storage) leaves.push({ index, storage, kind, owner, requiresGrad })
    })
    this.runs.push({ plan, batch, order, leaves })
  }
}

let current: Recording | null = null

/** The recording in progress. */
export const recording = (): Recording | null => current

/** Sets the recording in progress; returns what was set before. */
export function setRecording(next: Recording | null): Recording | null {
  const previous = current
  current = next
  return previous
}

/** Values were looked at, or something else was done whose outcome a repetition would not see. */
export function spoilRecording(): void {
  if (current) current.spoiled = true
}

/** Does `effect` now, and again whenever a step that is being recorded is repeated: counting, say. */
export function everyStep(effect: () => void): void {
  const outer = setRecording(null)
  try {
    effect()
  } finally {
    setRecording(outer)
  }
  outer?.repeated.push({ before: effect })
}

/** Counts what may change the course of a step: modes, frozen parameters. */
let changes = 0
export const changesSoFar = (): number => changes

/** To be called when something changes on which the operations of a step depend, other than values. */
export function noteChange(): void {
  changes++
}
