/** Checks of class labels that lie on the host. Not here: labels of data sets, which were checked when they were read. */
import { LenetError } from '../base/index.js'
import type { HostStorage } from './node.js'

type Watcher = (labels: HostStorage, classes: number, ignored: number | undefined) => void

let watcher: Watcher | null = null

/** Tells of every check, so that it can be made again with other labels; null: of none. */
export function watchLabels(next: Watcher | null): void {
  watcher = next
}

/** @throws LenetError for a label that is neither one of 0 … classes − 1 nor `ignored` */
export function checkLabels(labels: HostStorage, classes: number, ignored?: number): void {
  watcher?.(labels, classes, ignored)
  const { data } = labels
  for (let i = 0; i < data.length; i++) {
    const label = data[i] ?? 0
    if ((label < 0 || label >= classes) && label !== ignored)
      throw new LenetError(
        `crossEntropy: label ${label} of picture ${i} is not one of the ${classes} classes 0 to ${classes - 1}`,
      )
  }
}
