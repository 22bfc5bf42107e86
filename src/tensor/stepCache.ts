/**
 * Steps of an optimizer that it has done before: the graph that led to the losses is compared with that of then, and
 * where it is the same, neither gradients nor updates are built again. Their plan is known.
 * Not here: steps whose forward pass is not run either (compileStep.ts).
 */
import type { Node } from '../graph/index.js'
import { takeBackward, waitingBackward, type Waiting } from './autograd.js'
import { Captured } from './captured.js'
import { sameKey, structureOf, type Structure } from './structure.js'
import { Recording, recording, setRecording } from './recording.js'
import type { Tensor } from './tensor.js'

/** So many structures are remembered for each optimizer. */
const mostKnown = 16
/** What cannot be repeated is not recorded more often. */
const mostTries = 4

interface Known {
  readonly hash: number
  readonly key: Int32Array
  readonly batch: number
  tensors: readonly Tensor[]
  written: readonly Tensor[]
  captured: Captured | null
  tries: number
}

export class StepCache {
  readonly #known: Known[] = []

  /** Does what waits for the step. `anew` is the step itself; it gives the parameters that it updated. */
  step(anew: () => readonly Tensor[]): void {
    const waiting = recording() ? null : waitingBackward()
    if (!waiting) {
      anew()
      return
    }
    const structure = structureOf(waiting.targets, true)
    const known = this.#find(structure)
    if (known && repeat(known, waiting, structure.order)) return
    if (known && known.tries < mostTries) learn(known, waiting, structure.order, anew)
    else anew()
  }

  #find({ hash, key, batch, mixed }: Structure): Known | null {
    if (mixed) return null
    for (const known of this.#known)
      if (known.hash === hash && known.batch === batch && sameKey(known.key, key)) return known
    if (this.#known.length >= mostKnown) return null
    const made: Known = { hash, key: key.slice(), batch, tensors: [], written: [], captured: null, tries: 0 }
    this.#known.push(made)
    return made
  }
}

const same = (a: readonly Tensor[], b: readonly Tensor[]): boolean =>
  a.length === b.length && a.every((tensor, i) => tensor === b[i])

function repeat({ captured, tensors, written }: Known, waiting: Waiting, order: readonly Node[]): boolean {
  if (!captured || !same(tensors, waiting.tensors) || !same(written, waiting.written)) return false
  if (!captured.ready(order)) return false
  takeBackward()
  captured.repeatStep(order)
  for (const node of waiting.targets) if (!node.requiresGrad) node.inputs = noInputs
  return true
}

const noInputs: readonly Node[] = []

function learn(known: Known, waiting: Waiting, order: readonly Node[], anew: () => readonly Tensor[]): void {
  const storages = order.map(({ storage }) => storage)
  const recorded = new Recording()
  setRecording(recorded)
  let updated: readonly Tensor[]
  try {
    updated = anew()
  } finally {
    setRecording(null)
  }
  const isWhole = updated.every((tensor) => waiting.tensors.includes(tensor))
  known.captured = isWhole ? Captured.ofStep(recorded, order, storages) : null
  known.tensors = waiting.tensors
  known.written = waiting.written
  known.tries = known.captured ? 0 : known.tries + 1
}
