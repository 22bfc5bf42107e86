/** Checks of class labels that lie on the host. Not here: labels of data sets, which were checked when they were read. */
import { LenetError } from '../base/index.js'
import type { HostStorage } from './node.js'

type Watcher = (labels: HostStorage, classes: number) => void

let watcher: Watcher | null = null

/** Tells of every check, so that it can be made again with other labels; null: of none. */
export function watchLabels(next: Watcher | null): void {
  watcher = next
}

/** @throws LenetError for a label that is not one of 0 … classes − 1 */
export function checkLabels(labels: HostStorage, classes: number): void {
  watcher?.(labels, classes)
  const { data } = labels
  for (let i = 0; i < data.length; i++) {
    const label = data[i] ?? 0
    if (label < 0 || label >= classes)
      throw new LenetError(
        `crossEntropy: label ${label} of picture ${i} is not one of the ${classes} classes 0 to ${classes - 1}`,
      )
  }
}
