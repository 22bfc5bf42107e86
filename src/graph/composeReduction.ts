/**
 * Reductions and what is made of them. `dims` as in PyTorch: negative from the end; none given means all.
 * Not here: the order of a sum, which belongs to the operation (compiler).
 */
import { LenetError, normalizeDim, showShape } from '../base/index.js'
import type { Shape } from '../base/index.js'
import { constant, div, eq, exp, log, mul, scalar, sub, toFloat, unbatch, where } from './composeElementwise.js'
import { reshape } from './composeMovement.js'
import { gradEnabled, withoutGrad } from './gradMode.js'
import { make } from './infer.js'
import { hostLeaf } from './node.js'
import type { Node } from './node.js'

export type Dims = number | readonly number[] | undefined

/** Ascending, checked; all dimensions where none is given. */
function allDims(x: Node, dims: Dims, what: string): number[] {
  const rank = x.shape.length
  const given = dims === undefined ? [] : typeof dims === 'number' ? [dims] : dims
  if (given.length === 0) return Array.from({ length: rank }, (_, i) => i)
  const result = given.map((d) => normalizeDim(d, rank, what)).sort((a, b) => a - b)
  if (new Set(result).size < result.length)
    throw new LenetError(`${what}: dims ${showShape(given)} name a dimension of ${showShape(x.shape)} twice`)
  return rank === 0 ? [] : result
}

const kept = (shape: Shape, dims: readonly number[]): Shape => shape.map((size, i) => (dims.includes(i) ? 1 : size))

/** The sum; over the batch last: pictures one by one, then over pictures. */
export function sum(x: Node, dims?: Dims, keepdim = false): Node {
  const all = allDims(x, dims, 'sum')
  let result = toFloat(x)
  const overBatch = result.layout === 'batch' && all[0] === 0
  const inPicture = overBatch ? all.slice(1) : all
  if (inPicture.length > 0) result = make('sum', { dims: inPicture }, [result])
  if (overBatch) result = make('sum', { dims: [0] }, [result])
  return keepdim ? reshape(result, kept(x.shape, all)) : result
}

/** 1 / count as a factor: an input of the plan where the batch size counts, so that one plan serves every size. */
const inverse = (count: number, isInput: boolean): Node => (isInput ? scalar(1 / count) : constant(1 / count))

export function mean(x: Node, dims?: Dims, keepdim = false): Node {
  const all = allDims(x, dims, 'mean')
  const count = all.reduce((product, d) => product * (x.shape[d] ?? 1), 1)
  return mul(sum(x, all.length > 0 ? all : undefined, keepdim), inverse(count, x.layout === 'batch' && all[0] === 0))
}

/** The largest value; NaN where there is one. Equal ones share the gradient evenly. */
export function amax(x: Node, dims?: Dims, keepdim = false): Node {
  const all = allDims(x, dims, 'amax')
  if (all.length === 0) return toFloat(x)
  const input = all[0] === 0 ? unbatch(toFloat(x)) : toFloat(x)
  const result = make('amax', { dims: all }, [input])
  return keepdim ? reshape(result, kept(x.shape, all)) : result
}

/** i32: where the largest value is along `dim`, the first of equals; the first NaN. Without `dim`: in the flattened x. */
export function argmax(x: Node, dim?: number, keepdim = false): Node {
  if (dim === undefined || x.shape.length === 0) {
    const result = make('argmax', { dim: 0 }, [reshape(unbatch(toFloat(x)), [-1])])
    return keepdim
      ? reshape(
          result,
          x.shape.map(() => 1),
        )
      : result
  }
  const d = normalizeDim(dim, x.shape.length, 'argmax')
  const result = make('argmax', { dim: d }, [d === 0 ? unbatch(toFloat(x)) : toFloat(x)])
  return keepdim ? reshape(result, kept(x.shape, [d])) : result
}

export interface MaxResult {
  readonly values: Node
  readonly indices: Node
}

/** The largest values along `dim` and where they are (torch.max(x, dim)); the gradient goes to the first of equals. */
export function max(x: Node, dim: number, keepdim = false): MaxResult {
  const d = normalizeDim(dim, x.shape.length, 'max')
  const input = toFloat(x)
  const indices = argmax(input, d, true)
  const values =
    gradEnabled() && input.requiresGrad && x.shape.length > 0 ? picked(input, d, indices) : amax(input, d, true)
  if (keepdim || x.shape.length === 0) return { values, indices }
  const shape = x.shape.filter((_, i) => i !== d)
  return { values: reshape(values, shape), indices: reshape(indices, shape) }
}

/** The value at `indices` along dim d as a sum of it and zeros, so that the gradient goes there and nowhere else. */
function picked(x: Node, d: number, indices: Node): Node {
  const size = x.shape[d] ?? 1
  const places = hostLeaf(
    Int32Array.from({ length: size }, (_, i) => i),
    [size, ...x.shape.slice(d + 1).map(() => 1)],
    'i32',
  )
  const source = d === 0 ? unbatch(x) : x
  return sum(where(eq(indices, places), source, constant(0)), d, true)
}

/** x minus its largest value along dim d, in the layout in which dim d can be reduced. */
function shifted(x: Node, dim: number, what: string): { z: Node; d: number } {
  const d = normalizeDim(dim, x.shape.length, what)
  const input = d === 0 ? unbatch(toFloat(x)) : toFloat(x)
  // The shift changes no value of the result, so it needs no gradient.
  const largest = withoutGrad(() => amax(input, x.shape.length > 0 ? d : undefined, true))
  return { z: sub(input, largest), d }
}

export function softmax(x: Node, dim: number): Node {
  const { z, d } = shifted(x, dim, 'softmax')
  const e = exp(z)
  return div(e, sum(e, d, true))
}

export function logSoftmax(x: Node, dim: number): Node {
  const { z, d } = shifted(x, dim, 'logSoftmax')
  return sub(z, log(sum(exp(z), d, true)))
}
