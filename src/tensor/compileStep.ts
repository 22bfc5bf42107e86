/**
 * compileStep: a step of a loop that is recorded a few times and then repeated without running its JavaScript.
 * Not here: what is recorded (recording.ts), a repetition (captured.ts).
 */
import { gradEnabled, type Node, type Storage } from '../graph/index.js'
import { computeNode, computeNodes, isIdle } from './autograd.js'
import { Captured, plainLike } from './captured.js'
import { sameKey, structureOf, type Structure } from './structure.js'
import { ownTensor } from './create.js'
import { changesSoFar, Recording, recording, setRecording } from './recording.js'
import { hold } from './storage.js'
import { Tensor } from './tensor.js'

/** So many recordings in a row must be the same before one is repeated. */
const agreeing = 4
/** After so many repetitions the step is run and compared once more. */
const verifyEvery = 100
/** A step that turned out to be another so often is never repeated again. */
const mostSurprises = 3

/** The step for arguments of one structure and batch size. */
class Shape {
  readonly #key: Int32Array
  readonly #batch: number
  readonly #grad: boolean
  captured: Captured | null = null
  /** Recordings in a row that agreed. */
  agreed = 0
  repeats = 0
  surprises = 0
  /** Changes that were known at the last recording. */
  changes = -1

  constructor({ key, batch }: Structure) {
    this.#key = key.slice()
    this.#batch = batch
    this.#grad = gradEnabled()
  }

  fits({ key, batch }: Structure): boolean {
    return batch === this.#batch && gradEnabled() === this.#grad && sameKey(key, this.#key)
  }

  get isTrusted(): boolean {
    return this.agreed >= agreeing && this.changes === changesSoFar() && this.repeats < verifyEvery
  }

  /** Takes a new recording into account. */
  learn(found: Captured | null): void {
    if (this.captured?.isGone) [this.captured, this.agreed] = [null, 0]
    const same = found !== null && this.captured !== null && found.agrees(this.captured)
    if (!same && this.agreed >= agreeing) this.surprises++
    this.agreed = same ? this.agreed + 1 : found ? 1 : 0
    this.captured = found
    this.repeats = 0
    this.changes = changesSoFar()
  }
}

/** A step: tensors in, the tensors that are wanted of it out. */
export type StepFunction<A extends readonly Tensor[], R extends readonly Tensor[] | []> = (...args: A) => R

/**
 * Makes a step of a training loop cheap to call: it is recorded some times, then repeated as one call of compiled code
 * with new inputs, without running its JavaScript. The results are the same to the last bit. Compare torch.compile and
 * tf.function.
 *
 * ```ts
 * const step = compileStep((inputs: Tensor, labels: Tensor) => {
 *   const outputs = net(inputs)
 *   const loss = criterion(outputs, labels)
 *   const correct = outputs.max(1).indices.eq(labels).sum()
 *   optimizer.zeroGrad()
 *   loss.backward()
 *   optimizer.step()
 *   return [loss, correct]
 * })
 * for (const [inputs, labels] of loader) {
 *   const [loss, correct] = step(inputs, labels)
 *   total += loss.item()
 * }
 * ```
 *
 * What changes from call to call must be an argument. Besides arguments a repetition follows the optimizer's learning
 * rate, step count and options, dropout's masks, batch norm's statistics, `train()` and `eval()`, frozen parameters and
 * loaded states; other variables of JavaScript keep the values they had when the step was recorded, and what the step
 * does to such variables is not done again. A step that looks at values (`item()`), computes in several parts or differs
 * from call to call is run as it is each time: correct, but not faster. It is run and compared again now and then.
 * @param step takes tensors and gives a list of tensors; the list holds plain values, without gradient
 * @returns the same function; other shapes of arguments are recorded by themselves
 */
export function compileStep<A extends readonly Tensor[], R extends readonly Tensor[] | []>(
  step: StepFunction<A, R>,
): StepFunction<A, R> {
  const shapes: Shape[] = []
  return (...given) => {
    const args = given.map((x) => ownTensor(x) ?? x) as readonly Tensor[] as A
    if (recording() !== null || !isIdle()) return plain(step(...args))
    const structure = structureOf(args.map(({ node }) => node))
    const shape = shapeFor(shapes, structure)
    if (!shape || structure.mixed) return plain(step(...args))
    if (shape.captured && shape.isTrusted && shape.captured.prepare(structure)) {
      shape.repeats++
      return shape.captured.repeat() as readonly Tensor[] as R
    }
    return record(shape, structure.order, step, args)
  }
}

/** Batches of many sizes are not all remembered. */
const mostShapes = 16

function shapeFor(shapes: Shape[], structure: Structure): Shape | null {
  for (const shape of shapes) if (shape.fits(structure)) return shape.surprises > mostSurprises ? null : shape
  if (shapes.length >= mostShapes) return null
  const made = new Shape(structure)
  shapes.push(made)
  return made
}

function record<A extends readonly Tensor[], R extends readonly Tensor[] | []>(
  shape: Shape,
  order: readonly Node[],
  step: StepFunction<A, R>,
  args: A,
): R {
  const storages: (Storage | null)[] = order.map(({ storage }) => storage)
  const held = new Set(shape.captured?.withGradients.filter(({ grad }) => grad !== null))
  const recorded = new Recording()
  setRecording(recorded)
  try {
    const outputs = step(...args)
    computeNodes(outputs.map(({ node }) => node))
    setRecording(null)
    shape.learn(Captured.of(recorded, storages, outputs, (tensor) => !held.has(tensor)))
    return plain(outputs)
  } finally {
    setRecording(null)
  }
}

/** The same values without gradient. */
function plain<R extends readonly Tensor[] | []>(outputs: R): R {
  return outputs.map(({ node }) => {
    computeNode(node)
    const value = plainLike(node)
    value.storage = node.storage
    hold(value)
    return new Tensor(value)
  }) as readonly Tensor[] as R
}
