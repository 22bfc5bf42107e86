/** Where the classes, features or channels of a batch lie. Not here: orders of layers (useOrder.ts, order.ts). */
import type { Tensor } from '../tensor/index.js'

/** Keras' last dimension in our order: 1 of pictures [N, C, H, W], the last of [N, …, C]. */
export const classDim = (values: Tensor): number => (values.dim() === 4 ? 1 : values.dim() - 1)
