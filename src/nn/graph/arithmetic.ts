/**
 * Sums and products in a graph, in the terms of nets as data: of two values, or of one and numbers.
 * Not here: layers and functions (recognise.ts).
 */
import { sameShape, type Shape } from '../../base/index.js'
import type { NetOp } from '../../formats/index.js'
import { ops, type Node } from '../../tensor/index.js'
import { hostValues } from './match.js'
import type { Recognised } from './recognise.js'

/** Numbers that do not depend on the picture: one, or one a channel of `like`. `isParameter` tells trained ones. */
function constants(node: Node, like: Shape): readonly number[] | undefined {
  if (ops.isOp(node, 'const')) return [node.attrs.value]
  const values = hostValues(node)
  if (values === undefined || node.layout !== 'plain') return undefined
  if (values.length === 1) return [values[0] ?? Number.NaN]
  const wanted = [1, like[1] ?? 0, ...like.slice(2).map(() => 1)]
  const filled = [...Array<number>(Math.max(0, wanted.length - node.shape.length)).fill(1), ...node.shape]
  return sameShape(filled, wanted) ? Array.from(values) : undefined
}

/** Arithmetic: of two values add and mul; of one and numbers rescaling. `isGiven` tells parameters, which are no numbers. */
export function arithmetic(node: Node, isGiven: (node: Node) => boolean): Recognised | undefined {
  const [a, b] = node.inputs
  if (node.op === 'neg' && a?.op === 'maximum') return negated(a)
  if (node.op === 'neg' && a) return { op: { op: 'rescaling', scale: [-1], offset: [0] }, inputs: [a] }
  if (a === undefined || b === undefined) return undefined
  const read = (x: Node): readonly number[] | undefined => (isGiven(x) ? undefined : constants(x, node.shape))
  if (node.op === 'maximum') return limited(a, read(b)) ?? limited(b, read(a))
  const [left, right] = [read(a), read(b)]
  if (right !== undefined) return rescaled(node, a, right)
  if (left !== undefined)
    return node.op === 'sub' ? reversed(b, left) : node.op === 'div' ? undefined : rescaled(node, b, left)
  if (node.op === 'add' || node.op === 'mul') return { op: { op: node.op }, inputs: [a, b] }
  if (node.op === 'sub') return { op: { op: 'add' }, inputs: [a, ops.neg(b)] }
  return undefined
}

const limited = (x: Node, min: readonly number[] | undefined): Recognised | undefined =>
  min?.length === 1 ? { op: { op: 'clamp', min: min[0] ?? Number.NaN, max: null }, inputs: [x] } : undefined

/** −max(−x, −c) is min(x, c). */
function negated(larger: Node): Recognised | undefined {
  const [x, c] = larger.inputs.map((side) => (side.op === 'neg' ? side.inputs[0] : undefined))
  const max = c && hostValues(c)
  if (x === undefined || max?.length !== 1) return undefined
  return { op: { op: 'clamp', min: null, max: max[0] ?? Number.NaN }, inputs: [x] }
}

function rescaled(node: Node, x: Node, values: readonly number[]): Recognised | undefined {
  if (!sameShape(x.shape, node.shape)) return undefined
  const scale = (factors: readonly number[]): NetOp => ({ op: 'rescaling', scale: factors, offset: [0] })
  const offset = (terms: readonly number[]): NetOp => ({ op: 'rescaling', scale: [1], offset: terms })
  const inputs = [x]
  switch (node.op) {
    case 'mul':
      return { op: scale(values), inputs }
    case 'div':
      return { op: scale(values.map((value) => 1 / value)), inputs }
    case 'add':
      return { op: offset(values), inputs }
    case 'sub':
      return { op: offset(values.map((value) => -value)), inputs }
    default:
      return undefined
  }
}

const reversed = (x: Node, values: readonly number[]): Recognised => ({
  op: { op: 'rescaling', scale: [-1], offset: values },
  inputs: [x],
})
