/**
 * A step that was recorded, to be repeated: one run of its plan on new values, with nothing built.
 * Not here: when a recording may be trusted (compileStep.ts).
 */
import type { HostArray } from '../base/index.js'
import type { Result } from '../device/index.js'
import { nodeOf, type Node, type Storage } from '../graph/index.js'
import { isIdle } from './autograd.js'
import type { KnownPlan } from './plans.js'
import type { Structure } from './structure.js'
import { drawKey } from './random.js'
import type { ReadLeaf, RecordedRun, Recording, Repeated } from './recording.js'
import { hold, isHost, isLost, Stored } from './storage.js'
import { Tensor } from './tensor.js'

const noInputs: readonly Node[] = []

/** A value of the plan that is given out: what it looks like, and which of the plan's results it is. */
interface Given {
  readonly like: Node
  readonly result: Result
}

/** A tensor that gets a gradient; null: it has none when the step is over. */
interface GivenGradient {
  readonly tensor: Tensor
  readonly given: Given | null
  /** It had no gradient when the step began: so it must be again. */
  readonly fresh: boolean
}

/** A leaf whose values come with the arguments. */
interface FromArgument {
  readonly leaf: Node
  readonly place: number
}

/** Arguments that lie in one storage must do so again. */
type Twins = readonly [place: number, first: number]

/** A result of the plan that is the value of an argument's node. */
interface Published {
  readonly place: number
  readonly result: Given['result']
}

interface Owned {
  readonly tensor: { readonly node: Node }
  readonly storage: Storage
  readonly requiresGrad: boolean
}

export class Captured {
  readonly #plan: KnownPlan
  readonly #batch: number
  /** By place in the plan's order; only leaves are there. */
  readonly #leaves: Node[] = []
  readonly #constants: { readonly index: number; readonly storage: Storage }[] = []
  readonly #arguments: FromArgument[] = []
  readonly #twins: Twins[] = []
  readonly #owned: Owned[] = []
  readonly #keys: readonly Int32Array[]
  readonly #repeated: readonly Repeated[]
  readonly #outputs: readonly Given[]
  readonly #gradients: readonly GivenGradient[]
  readonly #published: Published[] = []
  /** Which results of the plan are given out. */
  #places: readonly number[] = []
  /** The plan's results that these are of: others after a change of tier. */
  #results: readonly Result[] | null = null

  private constructor(recorded: Recording, run: RecordedRun, outputs: readonly Given[], gradients: GivenGradient[]) {
    this.#plan = run.plan
    this.#batch = run.batch
    this.#keys = recorded.keys
    this.#repeated = recorded.repeated
    this.#outputs = outputs
    this.#gradients = gradients
  }

  /**
   * Of a recorded step with these arguments and results; null where it cannot be repeated. `fresh` tells whether a tensor
   * had no gradient before the step.
   */
  static of(
    recorded: Recording,
    args: readonly (Storage | null)[],
    outputs: readonly Tensor[],
    fresh: (tensor: Tensor) => boolean,
  ): Captured | null {
    const [run] = recorded.runs
    if (!run || recorded.runs.length > 1 || recorded.spoiled || recorded.isForeign || !isIdle()) return null
    const given = outputs.map(({ node }) => givenOf(node, run))
    const gradients = [...recorded.gradients].map((tensor) => {
      const found = tensor.grad ? givenOf(tensor.grad.node, run) : null
      return { tensor, given: found, fresh: fresh(tensor), lost: tensor.grad !== null && !found }
    })
    if (!given.every((output) => output !== null) || gradients.some(({ lost }) => lost)) return null
    const captured = new Captured(recorded, run, given, gradients)
    return captured.#bind(recorded, run, args) ? captured : null
  }

  /**
   * Of an optimizer's step that was recorded: its arguments are the storages of all nodes that led to the losses. Which
   * of these nodes the plan gives values to: `places`.
   */
  static ofStep(recorded: Recording, nodes: readonly Node[], args: readonly (Storage | null)[]): Captured | null {
    const [run] = recorded.runs
    const captured = Captured.of(recorded, args, [], () => false)
    if (!captured || !run) return null
    for (const result of run.plan.plan.results) {
      const found = run.order[result.index] as Node
      const place = nodes.indexOf(result.companion && found.companion ? found.companion : found)
      if (place >= 0) captured.#published.push({ place, result })
    }
    return captured
  }

  #bind(recorded: Recording, { leaves }: RecordedRun, args: readonly (Storage | null)[]): boolean {
    args.forEach((storage, place) => {
      if (storage && args.indexOf(storage) < place) this.#twins.push([place, args.indexOf(storage)])
    })
    return leaves.every((read) => this.#bindLeaf(read, args.indexOf(read.storage), recorded.keys))
  }

  #bindLeaf(
    { index, storage, kind, owner, requiresGrad }: ReadLeaf,
    place: number,
    keys: readonly HostArray[],
  ): boolean {
    const leaf = nodeOf('leaf', {}, noInputs, kind, false)
    leaf.storage = storage
    this.#leaves[index] = leaf
    if (place >= 0) {
      this.#arguments.push({ leaf, place })
      return true
    }
    if (owner) this.#owned.push({ tensor: owner, storage, requiresGrad })
    const isKey = isHost(storage) && keys.includes(storage.data)
    if (!owner && !isKey) this.#constants.push({ index, storage })
    return isHost(storage) || (storage instanceof Stored && storage.buf.stays)
  }

  /** Whether another recording of the step is the same: it then could have been a repetition. */
  agrees(other: Captured): boolean {
    if (this.#plan !== other.#plan || this.#batch !== other.#batch) return false
    const counts = (x: Captured): number[] =>
      [x.#arguments, x.#owned, x.#keys, x.#repeated, x.#outputs, x.#gradients].map(({ length }) => length)
    const [mine, others] = [counts(this), counts(other)]
    return (
      mine.every((count, i) => count === others[i]) &&
      this.#arguments.every(({ place }, i) => place === other.#arguments[i]?.place) &&
      this.#owned.every(({ tensor }, i) => tensor === other.#owned[i]?.tensor) &&
      this.#outputs.every(({ result }, i) => result.index === other.#outputs[i]?.result.index) &&
      this.#constants.length === other.#constants.length &&
      this.#constants.every(({ storage }, i) => sameValues(storage, other.#constants[i]?.storage))
    )
  }

  /** Its plan was dropped: the step must be recorded anew. */
  get isGone(): boolean {
    return this.#plan.isDropped
  }

  /** The tensors that a step gives gradients to. */
  get withGradients(): Tensor[] {
    return this.#gradients.map(({ tensor }) => tensor)
  }

  /** Whether a repetition would do what the step does; else it must be run. Takes the arguments' values. */
  prepare({ order }: Structure): boolean {
    return (
      isIdle() && this.#gradients.every(({ tensor, fresh }) => !fresh || tensor.gradNow === null) && this.ready(order)
    )
  }

  /** As `prepare`, where nothing but the step's own gradients waits. */
  ready(order: readonly Node[]): boolean {
    if (this.isGone || this.#plan.plan.needsGraph(this.#batch) || !this.#resolve()) return false
    for (const { tensor, storage, requiresGrad } of this.#owned)
      if (tensor.node.storage !== storage || tensor.node.requiresGrad !== requiresGrad) return false
    for (const { storage } of this.#constants) if (isHost(storage) && storage.isPast) return false
    for (const { valid } of this.#repeated) if (valid && !valid()) return false
    for (const [place, first] of this.#twins) if (order[place]?.storage !== order[first]?.storage) return false
    return this.#take(order)
  }

  #take(order: readonly Node[]): boolean {
    for (const { leaf, place } of this.#arguments) {
      const node = order[place] as Node
      if (!node.storage || isLost(node) || !this.#isHere(node.storage)) return false
      leaf.storage = node.storage
    }
    return true
  }

  #isHere(storage: Storage): boolean {
    return !(storage instanceof Stored) || storage.backend === this.#plan.backend
  }

  /** Finds the plan's results for what is given out. */
  #resolve(): boolean {
    const { results } = this.#plan.plan
    if (this.#results === results) return true
    const wanted = [...this.#outputs, ...this.#gradients.flatMap(({ given }) => given ?? []), ...this.#published]
    const places = wanted.map(({ result }) => placeAmong(results, result))
    if (places.includes(-1)) return false
    this.#places = places
    this.#results = results
    return true
  }

  /** The step once more, with what `prepare` took. The results are plain values. */
  repeat(): Tensor[] {
    this.#run()
    return this.#outputs.map(({ like }, i) => new Tensor(this.#give(like, this.#places[i] ?? 0)))
  }

  /** The optimizer's step once more, with what `ready` took: these nodes get their values. */
  repeatStep(order: readonly Node[]): void {
    this.#run()
    const first = this.#places.length - this.#published.length
    this.#published.forEach(({ place }, i) => this.#plan.give(order[place] as Node, this.#places[first + i] ?? 0))
  }

  #run(): void {
    for (const key of this.#keys) drawKey(key)
    for (const effect of this.#repeated) effect.before?.()
    this.#plan.repeat(this.#leaves, this.#batch)
    if (this.#results !== this.#plan.plan.results) this.#resolve() // the run may have moved to a faster tier
    let at = this.#outputs.length
    for (const { tensor, given } of this.#gradients)
      if (given) tensor.grad = new Tensor(this.#give(given.like, this.#places[at++] ?? 0))
    for (const effect of this.#repeated) effect.after?.()
  }

  #give(like: Node, place: number): Node {
    const node = plainLike(like)
    this.#plan.give(node, place)
    hold(node) // it has no graph to be computed from anew
    return node
  }
}

/** A node for the same values without its graph. */
export const plainLike = (node: Node): Node => nodeOf(node.op, node.attrs, noInputs, node.kind, false)

function givenOf(node: Node, { plan, order }: RecordedRun): Given | null {
  if (!(node.storage instanceof Stored) || isLost(node)) return null
  const result = plan.plan.results.find(({ index, companion }) => {
    const found = order[index] as Node
    return node === (companion && found.companion ? found.companion : found)
  })
  return result ? { like: plainLike(node), result } : null
}

const placeAmong = (results: readonly Result[], { index, companion }: Result): number =>
  results.findIndex((result) => result.index === index && result.companion === companion)

function sameValues(a: Storage, b: Storage | undefined): boolean {
  if (a === b) return true
  if (!b || !isHost(a) || !isHost(b) || a.data.length !== b.data.length) return false
  for (let i = 0; i < a.data.length; i++) if (!Object.is(a.data[i], b.data[i])) return false
  return true
}
