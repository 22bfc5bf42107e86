/**
 * Recognises what a function on nodes has built: the same function builds a template on placeholders, and a graph is
 * compared with it. So what a layer is composed of is told in one place only, where it is composed.
 * Not here: which functions are tried (recognise.ts).
 */
import { sameShape, type Shape, isArrayOf } from '../../base/index.js'
import { ops, type Node } from '../../tensor/index.js'

/** Where a template stands for anything: a placeholder node, or a constant of one of these values. */
export interface Holes {
  readonly nodes: ReadonlyMap<Node, string>
  readonly numbers: ReadonlyMap<number, string>
}

/** What stands in the graph at the template's holes. */
export interface Match {
  readonly nodes: Map<string, Node>
  readonly numbers: Map<string, number>
}

/** Values that no formula has, in float32 exact. */
export const numberHoles = { first: 0.6103515625, second: 0.610382080078125 } as const

export function placeholder(shape: Shape, layout: Node['layout']): Node {
  return ops.createNode('leaf', {}, [], { shape, dtype: 'f32', layout }, false)
}

/** Values of a leaf that lies on the host, or undefined. */
export function hostValues(node: Node): ArrayLike<number> | undefined {
  const { storage } = node
  if (node.op !== 'leaf' || storage === null || !('data' in storage)) return undefined
  const { data } = storage
  return isArrayOf('Float32Array', data) || isArrayOf('Int32Array', data) || isArrayOf('Uint8Array', data)
    ? data
    : undefined
}

function sameValues(a: Node, b: Node): boolean {
  const [x, y] = [hostValues(a), hostValues(b)]
  if (x === undefined || y === undefined || x.length !== y.length) return false
  return Array.from({ length: x.length }, (_, i) => x[i] === y[i]).every(Boolean)
}

function bind<T>(bound: Map<string, T>, name: string, value: T): boolean {
  const before = bound.get(name)
  bound.set(name, value)
  return before === undefined || before === value
}

const constantOf = (node: Node): number | undefined => (ops.isOp(node, 'const') ? node.attrs.value : undefined)

function unify(template: Node, actual: Node, holes: Holes, match: Match): boolean {
  const hole = holes.nodes.get(template)
  if (hole !== undefined)
    return (
      sameShape(template.shape, actual.shape) && template.layout === actual.layout && bind(match.nodes, hole, actual)
    )
  const [expected, found] = [constantOf(template), constantOf(actual)]
  const number = holes.numbers.get(expected ?? Number.NaN)
  if (number !== undefined) return found !== undefined && bind(match.numbers, number, found)
  if (template.op !== actual.op || !sameShape(template.shape, actual.shape)) return false
  if (template.op === 'leaf') return sameValues(template, actual)
  if (JSON.stringify(template.attrs) !== JSON.stringify(actual.attrs)) return false
  if (template.inputs.length !== actual.inputs.length) return false
  return template.inputs.every((input, i) => {
    const other = actual.inputs[i]
    return other !== undefined && unify(input, other, holes, match)
  })
}

/** What fills the template's holes in the graph that ends in `actual`; undefined where the graph is another. */
export function matchNodes(template: Node, actual: Node, holes: Holes): Match | undefined {
  const match: Match = { nodes: new Map(), numbers: new Map() }
  return unify(template, actual, holes, match) ? match : undefined
}
