/**
 * The order of a functional model's layers as Keras has it whenever it builds one, from code or from a file: by depth, the
 * farthest from the outputs first; of one depth in the order in which a walk from the outputs meets them. Weights lie in files
 * in this order, and the groups of a .weights.h5 are numbered by it, whatever the order in which the config lists layers.
 * Not here: what layers are (kerasLayers.ts).
 * Source: `map_graph` of keras/src/ops/function.py of Keras 3.15; `_map_graph_network` of tf_keras 2.21 does the same.
 */
import type { KerasLayer } from './kerasLayers.js'
import type { KerasModel } from './kerasTypes.js'

/** Uses of layers (Keras calls them nodes), each after those that it reads, and the layers themselves. */
export interface DepthOrder<Use, Layer> {
  readonly uses: readonly Use[]
  /** Of each use: how many come after it at most. */
  readonly depths: readonly number[]
  readonly layers: readonly Layer[]
}

/** Of a graph of uses: what each reads, in the order of its arguments, and of which layer it is. */
export interface UseGraph<Use, Layer> {
  readonly reads: (use: Use) => readonly Use[]
  readonly layerOf: (use: Use) => Layer
}

/**
 * What `ends` depend on, each after what it reads, as a walk that follows these in order leaves them. The graph must have no
 * cycle. `onMet` is called with each when the walk comes to it.
 */
export function walkBack<Use>(
  ends: readonly Use[],
  reads: (use: Use) => readonly Use[],
  onMet: (use: Use) => void = () => {},
): ReadonlySet<Use> {
  const left = new Set<Use>()
  const begun = new Set<Use>()
  const open: { readonly use: Use; readonly inputs: readonly Use[]; next: number }[] = []
  const begin = (use: Use): void => {
    if (begun.has(use)) return
    begun.add(use)
    onMet(use)
    open.push({ use, inputs: reads(use), next: 0 })
  }
  for (const end of ends) {
    begin(end)
    for (let top = open.at(-1); top; top = open.at(-1)) {
      const input = top.inputs[top.next++]
      if (input !== undefined) begin(input)
      else left.add(open.pop()?.use ?? top.use)
    }
  }
  return left
}

/** Everything that `ends` depend on, as Keras orders it. */
export function orderByDepth<Use, Layer>(ends: readonly Use[], graph: UseGraph<Use, Layer>): DepthOrder<Use, Layer> {
  const met = new Map<Layer, number>()
  const uses = walkBack(ends, graph.reads, (use) => {
    const layer = graph.layerOf(use)
    if (!met.has(layer)) met.set(layer, met.size)
  })
  const depths = new Map<Use, number>()
  const layerDepths = new Map<Layer, number>()
  for (const use of [...uses].toReversed()) {
    const layer = graph.layerOf(use)
    const depth = Math.max(depths.get(use) ?? 0, layerDepths.get(layer) ?? 0)
    layerDepths.set(layer, depth)
    depths.set(use, depth)
    for (const before of graph.reads(use)) depths.set(before, Math.max(depth + 1, depths.get(before) ?? 0))
  }
  const depthOf = (use: Use): number => depths.get(use) ?? 0
  const ordered = [...uses].toSorted((a, b) => depthOf(b) - depthOf(a))
  const layers = [...layerDepths.keys()].toSorted(
    (a, b) => (layerDepths.get(b) ?? 0) - (layerDepths.get(a) ?? 0) || (met.get(a) ?? 0) - (met.get(b) ?? 0),
  )
  return { uses: ordered, depths: ordered.map(depthOf), layers }
}

/**
 * The model with its layers in Keras's order. Layers that no output depends on are no part of a functional model and go,
 * but for inputs: these stand before the last layers.
 */
export function inKerasOrder(model: KerasModel): KerasModel {
  if (model.className === 'Sequential') return model
  const byName = new Map(model.layers.map((layer) => [layer.name, layer]))
  const named = (names: readonly string[]): KerasLayer[] => names.flatMap((name) => byName.get(name) ?? [])
  const { layers, depths } = orderByDepth(named(model.outputs), {
    reads: ({ inbound }) => named(inbound),
    layerOf: (layer) => layer,
  })
  const own = new Set(layers)
  const unused = named(model.inputs).filter((input) => !own.has(input))
  const last = depths.indexOf(0)
  return { ...model, layers: [...layers.slice(0, last), ...unused, ...layers.slice(last)] }
}
