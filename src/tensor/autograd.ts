/**
 * Gradients as PyTorch gives them: backward() leaves sums in `.grad`, and what it began is computed by the optimizer's
 * step, all at once. Also when a graph ends: with the step that changes its parameters.
 * Not here: the gradients' own graph (graph/gradient.ts), the update (nn/optim).
 */
import { LenetError, sizeOf, UsageError, isPromise } from '../base/index.js'
import { add, assign, gradients, newWalk, setGradEnabled, withoutGrad, type Node } from '../graph/index.js'
import { clock } from './clock.js'
import { keptLeaf } from './leaves.js'
import { realize } from './runtime.js'
import { forgetLost } from './structure.js'
import { recording } from './recording.js'
import { hold } from './storage.js'
import type { Tensor } from './tensor.js'

/** A backward() whose gradients' graph was put off: a step that was seen before needs none (stepCache.ts). */
interface Begun {
  readonly loss: Node
  readonly leaves: readonly Node[]
  readonly tensors: readonly Tensor[]
  readonly wrap: (node: Node) => Tensor
}

let begun: Begun | null = null

/** Losses and gradients that backward() began since the last step. */
let roots: Node[] = []
let gradOwners = new Set<Tensor>()

/** Leaves that backward() found since the last step, with the id of a node that reads each. */
const uses = new Map<Tensor, number>()
export const parametersInUse = (): ReadonlyMap<Tensor, number> => uses

/** They have been looked at, or belong to no step. */
export const forgetUses = (): void => uses.clear()

/** Sums of single numbers that a loop carries along (a running loss): computed with the step. */
let scalars: Node[] = []

interface Effect {
  readonly target: Tensor
  readonly write: Node
}

/** Writes into buffers (running statistics) that go with the next computation, whatever it is. */
let effects: Effect[] = []

/** Operations whose gradient may be refused: told at once, by backward(). */
const mayRefuse: ReadonlySet<string> = new Set([
  'gatherRows',
  'linearGradInput',
  'linearGradWeight',
  'conv2dGradInput',
  'conv2dGradWeight',
  'maxPool2dGrad',
  'avgPool2dGrad',
  'normalizeGradBias',
  'normalizeGradScale',
  'crossEntropyGrad',
])

/** How many of each are kept for a user who never steps. */
const MOST_KEPT = 64

/** Makes `tensor` the owner of its leaf, and of `before` no more: a leaf of an earlier step belongs to none. */
export function own(tensor: Tensor, before?: Node): void {
  if (before) before.owner = null
  tensor.node.owner = tensor
}

export const isOwned = (node: Node): boolean => node.owner !== null

/** Leaves below `loss` that want a gradient; `refused` where one of the operations has none. */
function leavesOf(loss: Node): { leaves: Node[]; users: number[]; refused: boolean } {
  const walk = newWalk()
  const seen = [loss]
  const seenBy = [loss.id]
  const leaves: Node[] = []
  const users: number[] = []
  let refused = false
  loss.walk = walk
  for (let i = 0; i < seen.length; i++) {
    const node = seen[i] as Node
    if (node.op === 'leaf') {
      leaves.push(node)
      users.push(seenBy[i] ?? 0)
    } else if (mayRefuse.has(node.op)) refused = true
    for (const input of node.inputs) {
      if (!input.requiresGrad || input.walk === walk) continue
      input.walk = walk
      seen.push(input)
      seenBy.push(node.id)
    }
  }
  return { leaves, users, refused }
}

function checkLoss(loss: Node): void {
  if (!loss.requiresGrad) {
    throw new LenetError(
      'backward: the loss does not depend on anything that requires a gradient (it was made under noGrad(), detached, or all parameters are frozen)',
    )
  }
  if (loss.differentiated) {
    throw new LenetError(
      'backward: this loss was differentiated already; compute it again, or add losses and call backward() once',
    )
  }
}

function ownerOf(leaf: Node): Tensor {
  const { owner } = leaf
  if (owner?.node === leaf) return owner as Tensor // only tensors own leaves
  throw new LenetError(
    'backward: a part of this loss was computed before the last optimizer.step(), which changed its parameters; compute it anew after the step',
  )
}

/** Adds onto what is there. A gradient that is computed already is kept: its memory belongs to the plan that made it. */
function accumulate(tensor: Tensor, part: Node): Node {
  gradOwners.add(tensor)
  recording()?.gradients.add(tensor)
  const before = tensor.gradNow?.node
  if (!before) return part
  const known = before.storage ? keptLeaf(before, false) : before
  return withoutGrad(() => add(known, part))
}

/** See `Tensor.backward`. `wrap` makes a tensor of a node. */
export function backward(loss: Node, seed: Node | undefined, wrap: (node: Node) => Tensor): void {
  buildGradients()
  checkLoss(loss)
  const { leaves, users, refused } = leavesOf(loss)
  const tensors = leaves.map(ownerOf)
  tensors.forEach((tensor, i) => uses.set(tensor, users[i] ?? 0))
  const isFirst = roots.length === 0 && gradOwners.size === 0 && tensors.every(({ gradNow }) => gradNow === null)
  if (isFirst && !seed && !refused && sizeOf(loss.shape) === 1 && !recording()) begun = { loss, leaves, tensors, wrap }
  else differentiate({ loss, leaves, tensors, wrap }, seed)
  loss.differentiated = true
}

/** Makes up for the backward() that was put off. */
export function buildGradients(): void {
  if (!begun) return
  const now = begun
  begun = null
  differentiate(now, undefined)
}

function differentiate({ loss, leaves, tensors, wrap }: Begun, seed: Node | undefined): void {
  const parts = gradients(loss, leaves, seed)
  tensors.forEach((tensor, i) => {
    const part = parts[i]
    if (part) tensor.grad = wrap(accumulate(tensor, part))
  })
  roots.push(loss)
  if (roots.length > MOST_KEPT) roots = roots.slice(-MOST_KEPT / 2)
}

/** What a step would compute besides its update, where one backward() was put off and nothing else waits. */
export interface Waiting {
  readonly targets: readonly Node[]
  /** Tensors that get gradients, and that are written into. */
  readonly tensors: readonly Tensor[]
  readonly written: readonly Tensor[]
}

export function waitingBackward(): Waiting | null {
  if (!begun || roots.length > 0 || gradOwners.size > 0) return null
  if (begun.tensors.some(({ node }, i) => node !== begun?.leaves[i])) return null
  const targets = [begun.loss]
  for (const scalar of scalars) if (!scalar.storage) targets.push(scalar)
  for (const { write } of effects) targets.push(write)
  return { targets, tensors: begun.tensors, written: effects.map(({ target }) => target) }
}

/** Forgets what waited: it is being done. */
export function takeBackward(): void {
  begun = null
  scalars = []
  effects = []
}

/** Gradients that backward() began since the last step. */
function waitingGradients(): Node[] {
  buildGradients()
  const nodes: Node[] = []
  for (const { grad } of gradOwners) if (grad) nodes.push(grad.node)
  return nodes
}

/**
 * What the optimizer's step computes besides its update: the losses that were differentiated since the last step, all
 * gradients, and single numbers carried along. Forgets them.
 */
export function takeBackwardRoots(): Node[] {
  buildGradients()
  const targets = [...roots, ...scalars, ...waitingGradients()]
  roots = []
  scalars = []
  gradOwners = new Set()
  return targets.filter((node) => !node.storage)
}

/** Computes gradients that wait for a step: parameters that they were asked for are about to change. */
export function settleGradients(): void {
  if (begun || gradOwners.size > 0) compute(takeBackwardRoots())
}

/** Nothing waits to be computed with the next step. */
export function isIdle(): boolean {
  if (scalars.some(({ storage }) => storage === null)) return false
  if (scalars.length > 0) scalars = []
  return begun === null && roots.length === 0 && effects.length === 0 && gradOwners.size === 0
}

/** A single number that may be needed after the step. */
export function carry(scalar: Node): void {
  scalars.push(scalar)
  if (scalars.length > MOST_KEPT) scalars = scalars.slice(-MOST_KEPT / 2)
}

/** `target` takes the value with the next computation: running statistics. */
export function writeLater(target: Tensor, value: Node): void {
  effects.push({ target, write: withoutGrad(() => assign(target.node, value)) })
}

/** Does now what `writeLater` put off; with `target`, only where that is to be written. */
export function flushWrites(target?: Node): void {
  if (effects.some((effect) => !target || effect.target.node === target)) compute([])
}

const none: ReadonlySet<Node> = new Set()

/** What was built on the old values has ended. */
function written(target: Tensor): void {
  const { storage } = target.node
  target.renew()
  recording()?.repeated.push({ valid: () => target.node.storage === storage, after: () => target.renew() })
}

/** Computes the nodes now, with all writes that were put off. Those `kept` stay what they can be computed from anew. */
export function compute(targets: Node[], kept: ReadonlySet<Node> = none): void {
  const writes = effects
  if (writes.length > 0) effects = []
  for (const effect of writes) targets.push(effect.write)
  try {
    realize(targets)
  } catch (error) {
    scalars = [] // one of these may be what cannot be computed: the next step must not try again
    throw error
  }
  for (const { target } of writes) written(target)
  // What nobody can differentiate needs its inputs no more: a kept value keeps no graph alive.
  for (const node of targets) {
    if (node.requiresGrad || node.op === 'leaf') continue
    if (!kept.has(node)) node.inputs = noInputs
    hold(node)
  }
}

const noInputs: readonly Node[] = []

/**
 * Computes the nodes, in one run. Gradients that wait for a step come first: another run of the same forward pass would
 * overwrite the activations that they need. If another net of the same structure overwrites them, the step computes them
 * anew.
 */
export function computeNodes(nodes: readonly Node[]): void {
  nodes.forEach(forgetLost)
  const targets = nodes.filter(({ storage }) => !storage)
  for (const node of nodes) if (node.storage) flushWrites(node)
  if (targets.length === 0) return
  buildGradients()
  if (gradOwners.size === 0) return compute(targets)
  const gradients = new Set(waitingGradients())
  compute([...targets, ...takeBackwardRoots()], gradients)
}

export const computeNode = (node: Node): void => computeNodes([node])

/** Parameters have changed: graphs that were made from them have ended. */
export function endStep(): void {
  clock.lastStep = clock.now++
}

/** A new batch begins: single numbers of the one before are computed when they are used next. */
export function endBatch(): void {
  clock.now++
  scalars = []
}

class GradGuard implements Disposable {
  readonly #previous: boolean
  constructor(flag: boolean) {
    this.#previous = setGradEnabled(flag)
  }
  [Symbol.dispose](): void {
    setGradEnabled(this.#previous)
  }
}

/**
 * No gradient is prepared for what is made meanwhile: for evaluation. `noGrad(() => …)` gives back what the function
 * gives; `using _ = noGrad()` lasts to the end of the block. Source: torch.no_grad.
 * @throws UsageError when the function is async: other code would run without gradients too
 */
export function noGrad(): Disposable
export function noGrad<T>(body: () => T): T
export function noGrad<T>(body?: () => T): Disposable | T {
  if (!body) return new GradGuard(false)
  const result = withoutGrad(body)
  if (isPromise(result)) {
    throw new UsageError(
      'noGrad: give it a function that is not async; in an async function write `using _ = noGrad()`',
    )
  }
  return result
}
