/**
 * The order of layers behind a value, as Keras has it: by depth, the farthest from the output first; of one depth in the
 * order in which a walk from the output meets them. Source: keras.src.ops.function.map_graph.
 */
import { LenetError } from '../base/index.js'
import type { KerasTensor, Use } from './kerasTensor.js'
import type { Layer } from './layer.js'

export interface UseOrder {
  /** Every use after those that it reads. */
  readonly uses: readonly Use[]
  /** Of each use: how many layers come after it at most. */
  readonly depths: readonly number[]
  readonly layers: readonly Layer[]
}

/** Uses behind a value, each after what it reads, and layers in the order in which the walk meets them. */
function walk(output: KerasTensor): { readonly uses: Set<Use>; readonly met: Map<Layer, number> } {
  const uses = new Set<Use>()
  const met = new Map<Layer, number>()
  const begun = new Set<Use>()
  const open: { readonly use: Use; next: number }[] = []
  const begin = (use: Use): void => {
    if (begun.has(use)) return
    begun.add(use)
    if (!met.has(use.layer)) met.set(use.layer, met.size)
    open.push({ use, next: 0 })
  }
  begin(output.use)
  for (let top = open.at(-1); top; top = open.at(-1)) {
    const input = top.use.inputs[top.next++]
    if (input) begin(input.use)
    else uses.add(open.pop()?.use ?? top.use)
  }
  return { uses, met }
}

/** Uses and layers as Keras orders them. Throws LenetError where two layers have one name. */
export function orderOf(output: KerasTensor): UseOrder {
  const { uses, met } = walk(output)
  const depths = new Map<Use, number>()
  const layerDepths = new Map<Layer, number>()
  for (const use of [...uses].toReversed()) {
    const depth = Math.max(depths.get(use) ?? 0, layerDepths.get(use.layer) ?? 0)
    layerDepths.set(use.layer, depth)
    depths.set(use, depth)
    for (const { use: before } of use.inputs) depths.set(before, Math.max(depth + 1, depths.get(before) ?? 0))
  }
  const depthOf = (use: Use): number => depths.get(use) ?? 0
  const layers = [...layerDepths.keys()].toSorted(
    (a, b) => (layerDepths.get(b) ?? 0) - (layerDepths.get(a) ?? 0) || (met.get(a) ?? 0) - (met.get(b) ?? 0),
  )
  for (const { name } of layers)
    if (layers.filter((layer) => layer.name === name).length > 1)
      throw new LenetError(
        `The name "${name}" is used more than once in the model. All operation names should be unique.`,
      )
  const ordered = [...uses].toSorted((a, b) => depthOf(b) - depthOf(a))
  return { uses: ordered, depths: ordered.map(depthOf), layers }
}
