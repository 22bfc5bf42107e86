/**
 * The two orders of a picture: [H, W, C] to everybody outside, [C, H, W] inside. Not here: weights' orders (weight.ts).
 */
import type { Shape } from '../base/index.js'
import type { Tensor } from '../tensor/index.js'
import { isPicture, type Spec } from './layer.js'

/** Pictures [N, C · H · W] flattened as they lie inside, flattened as Keras does. */
function flatHwc(x: Tensor, [height = 1, width = 1, channels = 1]: Shape): Tensor {
  return x.view(x.size(0), channels, height, width).permute(0, 2, 3, 1).flatten(1)
}

/** Lists as Keras has them: [N, features]. Pictures stay as they lie inside. */
export const inFlatOrder = (x: Tensor, { flatOf }: Spec): Tensor => (flatOf ? flatHwc(x, flatOf) : x)

/** As Keras has it: pictures as [N, H, W, C], and lists in its order. */
export function outward(x: Tensor, spec: Spec): Tensor {
  return isPicture(spec) ? x.permute(0, 2, 3, 1) : inFlatOrder(x, spec)
}

/** Of Keras' order [N, …sizes] as it lies inside. */
export const inward = (x: Tensor, sizes: Shape): Tensor => (sizes.length === 3 ? x.permute(0, 3, 1, 2) : x)
