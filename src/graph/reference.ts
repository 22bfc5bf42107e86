/**
 * The naive reference: what each operation means, one table total over OpName, and the evaluation of a whole graph by
 * it. It is the oracle of everything that computes fast. Not here: speed, layouts, the order of float32 sums.
 */
import { hostArray, sizeOf } from '../base/index.js'
import type { HostArray } from '../base/index.js'
import type { HostStorage, Node } from './node.js'
import type { OpName } from './ops.js'
import { referenceElementwise } from './referenceElementwise.js'
import { referenceMovement } from './referenceMovement.js'
import { referenceNet } from './referenceNet.js'
import { referenceNorm } from './referenceNorm.js'
import type { Numbers, ReferenceTable, Values } from './referenceShared.js'

const referenceTable: ReferenceTable<OpName> = {
  ...referenceElementwise,
  ...referenceMovement,
  ...referenceNet,
  ...referenceNorm,
}

/** Values to take for some nodes instead of their own. */
type Overrides = ReadonlyMap<Node, Numbers>

function knownValues(node: Node, overrides: Overrides): Numbers | undefined {
  const given = overrides.get(node)
  if (given || !node.storage) return given
  if (node.storage.kind !== 'host') throw new Error(`reference: the values of ${node.op} lie in a device's memory`)
  return (node.storage as HostStorage).data
}

function compute<K extends OpName>(node: Node<K>, values: ReadonlyMap<Node, Numbers>, float64: boolean): Numbers {
  const count = sizeOf(node.shape)
  const out = float64 && node.dtype === 'f32' ? new Float64Array(count) : hostArray(node.dtype, count)
  const inputs = node.inputs.map((x): Values => {
    const data = values.get(x)
    if (!data) throw new Error(`reference: ${node.op} comes before its input ${x.op}`)
    return { data, shape: x.shape }
  })
  referenceTable[node.op](out, inputs, node.attrs, node)
  return out
}

/** The values of all nodes that `roots` need; each node once. Nodes with values are not computed again. */
function evaluateGraph(roots: readonly Node[], float64: boolean, overrides: Overrides): Map<Node, Numbers> {
  const values = new Map<Node, Numbers>()
  const needed = new Set(roots)
  for (const node of needed) {
    const known = knownValues(node, overrides)
    if (known) values.set(node, known)
    else for (const input of node.inputs) needed.add(input)
  }
  // Ids grow from inputs to results.
  for (const node of [...needed].sort((a, b) => a.id - b.id))
    if (!values.has(node)) values.set(node, compute(node, values, float64))
  return values
}

/**
 * The values of nodes in logical row-major order, by the reference. Leaves and computed nodes need host storage.
 * `assign` nodes write into their target's storage after everything was computed.
 */
export function evaluateAll(nodes: readonly Node[]): HostArray[] {
  const values = evaluateGraph(nodes, false, new Map())
  for (const [node, result] of values) {
    const storage = node.op === 'assign' && !node.storage ? node.inputs[0]?.storage : null
    if (storage?.kind === 'host') (storage as HostStorage).data.set(result)
  }
  return nodes.map((node) => values.get(node) as HostArray)
}

/** `evaluateAll` of one node. */
export function evaluate(node: Node): HostArray {
  const [result] = evaluateAll([node])
  if (!result) throw new Error('evaluate: no result')
  return result
}

/** The values of a node with every f32 value in float64: for sharp finite differences. Assigns write nothing. */
export function evaluate64(node: Node, overrides: Overrides = new Map()): Float64Array {
  return Float64Array.from(evaluateGraph([node], true, overrides).get(node) ?? [])
}
