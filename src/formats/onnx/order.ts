/**
 * The nodes that a graph's outputs need, each after those that it reads. Cycles, values that two nodes give and values
 * that nothing gives are refused by name.
 * Not here: what the nodes do.
 */
import { LenetError } from '../../base/index.js'
import { shownName } from '../shownName.js'
import type { OnnxNode } from './model.js'

/** How errors call a node: by its name or else its first output, and its operator. */
export function nodeLabel({ name, op, outputs }: OnnxNode): string {
  return `node ${shownName(name === '' ? (outputs[0] ?? '?') : name)} (${shownName(op)})`
}

/** Which node gives which value. `given` are the inputs and initializers. */
export function producersOf(
  nodes: readonly OnnxNode[],
  given: ReadonlySet<string>,
  where: string,
): Map<string, OnnxNode> {
  const producers = new Map<string, OnnxNode>()
  for (const node of nodes) {
    for (const output of node.outputs) {
      if (output === '') continue
      if (producers.has(output) || given.has(output)) {
        throw new LenetError(`${where}, ${nodeLabel(node)}: refused: its output ${shownName(output)} is given twice`)
      }
      producers.set(output, node)
    }
  }
  return producers
}

/** One visit of the depth-first walk: the node, and which of its inputs comes next. */
interface Visit {
  readonly node: OnnxNode
  next: number
}

/** Whether each node reads only what is given or what nodes before it give. */
function isOrdered(nodes: readonly OnnxNode[], given: ReadonlySet<string>): boolean {
  const known = new Set(given)
  return nodes.every(({ inputs, outputs }) => {
    const isReady = inputs.every((input) => input === '' || known.has(input))
    for (const output of outputs) known.add(output)
    return isReady
  })
}

/**
 * Nodes that `outputs` need, in an order in which each reads only earlier values: the file's own where it is one. Throws LenetError with the names of a
 * cycle's nodes, or of a value that nothing gives.
 */
export function orderedNodes(
  nodes: readonly OnnxNode[],
  outputs: readonly string[],
  producers: ReadonlyMap<string, OnnxNode>,
  given: ReadonlySet<string>,
  where: string,
): OnnxNode[] {
  const done = new Set<OnnxNode>()
  const open = new Set<OnnxNode>()
  const order: OnnxNode[] = []
  const path: Visit[] = []
  const enter = (value: string, reader: string): void => {
    if (value === '' || given.has(value)) return
    const node = producers.get(value)
    if (node === undefined) throw new LenetError(`${where}${reader}: nothing gives the value ${shownName(value)}`)
    if (done.has(node)) return
    if (open.has(node)) refuseCycle(path, node, where)
    open.add(node)
    path.push({ node, next: 0 })
  }
  for (const output of outputs) {
    enter(output, '')
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const input = top.node.inputs[top.next++]
      if (input !== undefined) enter(input, `, ${nodeLabel(top.node)}`)
      else {
        done.add(top.node)
        order.push(top.node)
        path.pop()
      }
    }
  }
  const needed = nodes.filter((node) => done.has(node))
  return isOrdered(needed, given) ? needed : order
}

function refuseCycle(path: readonly Visit[], node: OnnxNode, where: string): never {
  const from = path.findIndex((visit) => visit.node === node)
  const names = path.slice(from).map((visit) => nodeLabel(visit.node))
  const shown = names.length > 4 ? [...names.slice(0, 4), '…'] : names
  throw new LenetError(`${where}: refused: its nodes go in a circle: ${shown.join(', ')}`)
}
