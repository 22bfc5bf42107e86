/** A convolution's input with zeros around it. Not here: the convolutions (compute.ts). */
import type { Node } from '../../graph/index.js'
import type { Value } from '../kernel.js'
import { lowerPadLanes } from '../lower/rows.js'
import type { Scheduler } from './scheduler.js'

/** x [N, C, H, W] with zeros around it. */
export function padded(s: Scheduler, x: Node, padding: readonly [number, number]): Value {
  if (padding[0] + padding[1] === 0) return s.value(x)
  return s.shared(`padded ${x.id} ${padding.join()}`, () => {
    const [N = 1, C = 1, H = 1, W = 1] = x.shape
    const from = s.value(x)
    const wide = s.scratch({ shape: [N, C, H + 2 * padding[0], W + 2 * padding[1]], dtype: 'f32', layout: 'batch' })
    s.emit(lowerPadLanes(s.lanes, from, padding, wide))
    return wide
  })
}
