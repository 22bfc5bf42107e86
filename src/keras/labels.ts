/** Labels as losses take them. Not here: losses (losses.ts), gathering (rows.ts). */
import { LenetError } from '../base/index.js'
import type { Tensor } from '../tensor/index.js'
import { checkLabels, SparseCategoricalCrossentropy, type Loss } from './losses.js'
import { Places, Rows } from './rows.js'

/** [N, 1] of class numbers is [N]. */
function flatClasses(y: Tensor): Tensor {
  return y.dim() === 2 && y.size(1) === 1 ? y.view(-1) : y
}

/** Each label must be a class of the model: told before anything is computed. */
async function checkClasses(labels: Rows, classes: number, ignored: number | null): Promise<void> {
  const all = Int32Array.from({ length: labels.length }, (_, i) => i)
  const values = await labels.at(new Places(all)).toTypedArrayAsync()
  const isClass = (label: number): boolean => Number.isInteger(label) && label >= 0 && label < classes
  const wrong = values.findIndex((label) => label !== ignored && !isClass(label))
  if (wrong >= 0)
    throw new LenetError(
      `label ${values[wrong]} of picture ${wrong} is not one of the ${classes} classes 0 to ${classes - 1} that the model tells apart`,
    )
}

/** @param outputs sizes of the model's output without the batch */
export async function labelRows(y: Tensor, loss: Loss, outputs: readonly number[]): Promise<Rows> {
  if (loss.labels === 'values') {
    const values = y.dim() === 1 && outputs.length === 1 && outputs[0] === 1 ? y.view(-1, 1) : y
    checkLabels(loss, values.shape.slice(1), outputs)
    return new Rows(values.to('f32'))
  }
  const classes = flatClasses(y)
  checkLabels(loss, classes.shape.slice(1), outputs)
  const rows = new Rows(classes.to('i32'))
  await checkClasses(rows, outputs[0] ?? 0, loss instanceof SparseCategoricalCrossentropy ? loss.ignoreClass : null)
  return rows
}
