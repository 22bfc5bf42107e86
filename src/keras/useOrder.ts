/** The order of uses and layers behind a value, as Keras has it (room formats, kerasOrder.ts). */
import { LenetError } from '../base/index.js'
import { orderByDepth, type DepthOrder } from '../formats/index.js'
import type { KerasTensor, Use } from './kerasTensor.js'
import type { Layer } from './layer.js'

export type UseOrder = DepthOrder<Use, Layer>

/** Uses and layers as Keras orders them. Throws LenetError where two layers have one name. */
export function orderOf(output: KerasTensor): UseOrder {
  const order = orderByDepth<Use, Layer>([output.use], {
    reads: ({ inputs }) => inputs.map(({ use }) => use),
    layerOf: ({ layer }) => layer,
  })
  const names = new Set<string>()
  for (const { name } of order.layers) {
    if (names.has(name))
      throw new LenetError(
        `The name "${name}" is used more than once in the model. All operation names should be unique.`,
      )
    names.add(name)
  }
  return order
}
