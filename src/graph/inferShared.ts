/**
 * What the inference rows share: checks of rank, dtype and layout.
 * A wrong shape or dtype is the user's (LenetError); a wrong layout is ours (Error), as compose.ts inserts conversions.
 */
import { LenetError, showShape } from '../base/index.js'
import type { DType } from '../base/index.js'
import type { Layout, Node, NodeType } from './node.js'
import type { OpAttrs, OpName } from './ops.js'

export type Inputs = readonly Node[]
type Infer<K extends OpName> = (attrs: OpAttrs[K], inputs: Inputs) => NodeType
export type InferTable<K extends OpName> = { readonly [P in K]: Infer<P> }

export function inputOf(op: OpName, inputs: Inputs, i: number): Node {
  const input = inputs[i]
  if (!input) throw new Error(`${op}: input ${i} is missing`)
  return input
}

export function expectLayout(op: OpName, x: Node, layout: Layout): void {
  if (x.layout !== layout) throw new Error(`${op}: expects a ${layout} input, got ${x.layout} ${showShape(x.shape)}`)
}

/** `what` names the input; `dims` shows what its dimensions mean, e.g. "[N, C, H, W]". */
export function expectRank(op: OpName, what: string, x: Node, rank: number, dims: string): void {
  if (x.shape.length !== rank)
    throw new LenetError(
      `${op}: ${what} must have ${rank} dimension${rank === 1 ? '' : 's'} ${dims}, got ${showShape(x.shape)}`,
    )
}

export function expectDType(op: OpName, what: string, x: Node, dtype: DType): void {
  if (x.dtype !== dtype) throw new LenetError(`${op}: ${what} must be ${dtype}, got ${x.dtype}`)
}

const ranks = new Map<string, number>()

/** How many dimensions "[N, C, H, W]" names. Asked at every step of a loop, so remembered. */
function rankOf(dims: string): number {
  let rank = ranks.get(dims)
  if (rank === undefined) ranks.set(dims, (rank = dims.split(',').length))
  return rank
}

/** An f32 input of known rank and layout. */
export function expectInput(op: OpName, what: string, x: Node, dims: string, layout: Layout): void {
  expectRank(op, what, x, rankOf(dims), dims)
  expectDType(op, what, x, 'f32')
  expectLayout(op, x, layout)
}

/** The size of dimension i. */
export const dim = (x: Node, i: number): number => x.shape[i] ?? 1

/** A row for an operation whose builder gives the type (createNode or makeTyped). */
export const explicit = (op: OpName) => (): never => {
  throw new Error(`${op}: its type does not follow from its inputs; give it to makeTyped`)
}
