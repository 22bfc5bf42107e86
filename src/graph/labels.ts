/**
 * Checks of class labels: at once where their values lie on the host, by the run that computes them everywhere else. Not
 * here: the run's check (compiler/lower/loss.ts).
 */
import { LenetError } from '../base/index.js'
import { batch, cast } from './composeElementwise.js'
import { make } from './infer.js'
import type { HostStorage, Node } from './node.js'

/** What a label outside the classes is told with. `picture` is its place in the batch. */
export const labelError = (label: number, picture: number, classes: number): LenetError =>
  new LenetError(
    `Target ${label} is out of bounds: label ${label} of picture ${picture} is not one of the ${classes} classes 0 to ${classes - 1}`,
  )

/** @throws LenetError for the first label that is neither one of 0 … classes − 1 nor one of `ignored` */
export function checkLabels(labels: ArrayLike<number>, classes: number, ignored: readonly number[] = []): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i] ?? 0
    if ((label < 0 || label >= classes) && !ignored.includes(label)) throw labelError(label, i, classes)
  }
}

/**
 * The labels [N] as a batch of i32. A run that meets one that is neither one of 0 … classes − 1 nor `ignored` is an error,
 * and writes nothing: parameters stay as they were.
 */
export function checkedLabels(labels: Node, classes: number, ignored: readonly number[] = []): Node {
  const { storage } = labels
  if (storage?.kind === 'host') checkLabels((storage as HostStorage).data, classes, ignored)
  const given = batch(cast(labels, 'i32'))
  if (given.shape.length !== 1) return given // the loss tells what it expects
  return make('checkLabels', { classes, ignored }, [given])
}
