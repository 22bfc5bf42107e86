/**
 * Tensor: a thin handle on a node of the lazy graph, with PyTorch's methods. Nothing is computed until a value is read
 * or an optimizer steps.
 * Not here: what operations mean (graph), when and where they are computed (runtime.ts), making tensors (create.ts).
 */
import {
  expectDType,
  expectNumbers,
  isForeignTensor,
  LenetError,
  markCopy,
  normalizeDim,
  sameShape,
  showShape,
  sizeOf,
  type DType,
  type HostArray,
  type Shape,
} from '../base/index.js'
import * as g from '../graph/index.js'
import { backward, buildGradients, computeNode, own, settleGradients } from './autograd.js'
import { clock } from './clock.js'
import { nested, type Nested } from './nested.js'
import { formatTensor, gradFunction } from './print.js'
import { noteChange } from './recording.js'
import { overwriteLeaf, renewLeaf } from './leaves.js'
import { read, readLater } from './runtime.js'
import { arithmetic, carryScalar, expectOperand, knownScalar } from './scalars.js'
import { deviceOf, hold, isReadable } from './storage.js'

export type Operand = Tensor | number

/** Values and where they are: `const [values, indices] = max(x, 1)`, or by name. */
export type MaxPair = readonly [values: Tensor, indices: Tensor] & { readonly values: Tensor; readonly indices: Tensor }

/** Of this copy of the library or of another. */
export const isTensor = (value: unknown): value is Tensor => value instanceof Tensor || isForeignTensor(value)

function nodeOf(x: Operand): g.Operand {
  expectOperand(x)
  return typeof x === 'number' ? x : x.node
}

/** Numbers one by one, or in a list. */
const listed = (numbers: readonly number[] | readonly [Shape]): Shape =>
  typeof numbers[0] === 'object' ? numbers[0] : (numbers as Shape)

export class Tensor {
  static {
    markCopy(Tensor, 'tensor')
  }
  /** The value's place in the graph. For the library's own use: it changes when a parameter is updated. */
  node: g.Node
  /** The time of `clock` at which this tensor was made. For the library's own use. */
  readonly born: number
  /** `grad` as far as it is built. For the library's own use. */
  gradNow: Tensor | null = null

  constructor(node: g.Node) {
    this.node = node
    this.born = clock.now
  }

  // ── what it is ──

  /** Sizes of the dimensions: [] for a single number. */
  get shape(): Shape {
    return this.node.shape
  }

  /** 'f32'; 'i32' for labels and indices; 'u8' for pixels. Comparisons give f32 0 or 1. */
  get dtype(): DType {
    return this.node.dtype
  }

  /** All sizes, or the size of one dimension (negative: from the end). */
  size(): Shape
  size(dim: number): number
  size(dim?: number): Shape | number {
    if (dim === undefined) return this.node.shape
    return this.node.shape[normalizeDim(dim, this.node.shape.length, 'size')] ?? 1
  }

  /** The number of dimensions. */
  dim(): number {
    return this.node.shape.length
  }

  /** The number of elements. */
  numel(): number {
    return sizeOf(this.node.shape)
  }

  // ── gradients ──

  /** The sum of the gradients of all `backward()` calls since `zeroGrad()`; null before the first. Only leaves have one. */
  get grad(): Tensor | null {
    buildGradients()
    return this.gradNow
  }

  set grad(gradient: Tensor | null) {
    buildGradients()
    this.gradNow = gradient
  }

  get requiresGrad(): boolean {
    return this.node.requiresGrad
  }

  /** Only a leaf can be told to. `false` freezes a parameter: optimizers leave it alone. */
  set requiresGrad(flag: boolean) {
    this.requiresGrad_(flag)
  }

  requiresGrad_(flag = true): this {
    if (this.node.op !== 'leaf') {
      if (flag === this.requiresGrad) return this
      if (flag && this.dtype === 'f32') return this.#becomeLeaf()
      throw new LenetError(
        'requiresGrad can be set on leaves only (parameters, tensors made from values); call .detach() first',
      )
    }
    if (flag && this.dtype !== 'f32') {
      throw new LenetError(`requiresGrad: only f32 tensors can have gradients, this one is ${this.dtype}`)
    }
    if (flag === this.requiresGrad) return this
    noteChange()
    settleGradients()
    this.renew(flag)
    return this
  }

  /** What was computed without gradient becomes a leaf that wants one. */
  #becomeLeaf(): this {
    this.node = g.hostLeaf(this.toTypedArray(), this.shape, this.dtype, true)
    own(this)
    return this
  }

  /** True for tensors that were not computed from others. */
  get isLeaf(): boolean {
    return this.node.op === 'leaf' || !this.node.requiresGrad
  }

  /**
   * Adds the gradient of this value to `.grad` of every leaf that wants one. Nothing is computed yet: the optimizer's
   * `step()` computes gradients, update and this value together; reading a gradient computes it too.
   * @param gradient the gradient of this tensor itself, of its shape; default 1, for a tensor of one element
   * @throws LenetError where nothing requires a gradient, on a second call, and when a part of the graph was computed
   * before the last optimizer step
   */
  backward(gradient?: Tensor): void {
    backward(this.node, gradient?.node, (node) => new Tensor(node))
  }

  /** The same values, through which no gradient flows. */
  detach(): Tensor {
    return new Tensor(g.detach(this.node))
  }

  /** As `detach()`. */
  get data(): Tensor {
    return this.detach()
  }

  /** The same values in memory of their own: they stay when later steps run. A gradient flows through. */
  clone(): Tensor {
    const { node } = this
    if (!node.requiresGrad) return new Tensor(g.hostLeaf(this.toTypedArray(), node.shape, node.dtype))
    const copy = g.makeTyped('reshape', {}, [node], { shape: node.shape, dtype: node.dtype, layout: node.layout })
    if (node.op === 'leaf') copy.storage = g.hostLeaf(this.toTypedArray().slice(), node.shape, node.dtype).storage
    return new Tensor(copy)
  }

  // ── values ──

  /** Computes the values now and keeps them, for reading them after later steps. Returns this tensor. */
  realize(): this {
    computeNode(this.node)
    hold(this.node, Infinity)
    return this
  }

  /**
   * The single element as a number, of a tensor of any shape with one element. Computes it.
   * @throws LenetError where there are more elements, and on a device that gives values only later: see `itemAsync`
   */
  item(): number {
    this.#expectOne('item')
    const known = knownScalar(this.node)
    if (known !== undefined) return known
    computeNode(this.node)
    return read(this.node, 'itemAsync')[0] ?? Number.NaN
  }

  /**
   * The single element as a number, on every device: of a tensor of any shape with one element. The computation is begun at
   * once, and the number is that of now, whatever runs before the promise is kept.
   * @throws LenetError where there are more elements, or what it is made of cannot be computed; the promise is then rejected
   */
  async itemAsync(): Promise<number> {
    this.#expectOne('itemAsync')
    const known = knownScalar(this.node)
    if (known !== undefined) return known
    computeNode(this.node)
    return (await readLater(this.node))[0] ?? Number.NaN
  }

  #expectOne(name: string): void {
    if (this.numel() === 1) return
    throw new LenetError(`${name}: expects a tensor of 1 element, got ${showShape(this.shape)}; use toArray()`)
  }

  /**
   * All elements in row-major order: a copy, of `numel()` numbers in a Float32Array, Int32Array or Uint8Array, by dtype.
   * Computes them.
   * @throws LenetError on a device that gives values only later: see `toTypedArrayAsync`
   */
  toTypedArray(): HostArray {
    computeNode(this.node)
    return read(this.node).slice()
  }

  /**
   * The same on every device. The computation is begun at once, and the elements are those of now, whatever runs before the
   * promise is kept.
   * @throws LenetError where what they are made of cannot be computed; the promise is then rejected
   */
  async toTypedArrayAsync(): Promise<HostArray> {
    computeNode(this.node)
    return await readLater(this.node)
  }

  /** The elements as nested arrays; a number for a single one (torch's tolist). */
  toArray(): Nested {
    return nested(this.toTypedArray(), this.shape)
  }

  /**
   * Overwrites the elements in place; only for leaves. Graphs made from the old values end.
   * @param source a tensor of the same shape, or as many numbers in row-major order
   */
  copy_(source: Tensor | ArrayLike<number>): this {
    if (this.node.op !== 'leaf') throw new LenetError('copy_: only leaves can be overwritten, not computed tensors')
    const values = isTensor(source) ? source.toTypedArray() : source
    const found = isTensor(source) ? source.shape : [values.length]
    if (isTensor(source) ? !sameShape(found, this.shape) : values.length !== this.numel())
      throw new LenetError(`copy_: expects shape ${showShape(this.shape)}, got ${showShape(found)}`)
    if (this.requiresGrad) settleGradients()
    const before = this.node
    this.node = overwriteLeaf(before, values, before.requiresGrad)
    if (before.requiresGrad) own(this, before)
    return this
  }

  /** After a write into the leaf's memory: pending computations on the old values must not see the new ones. */
  renew(requiresGrad = this.node.requiresGrad): void {
    const before = this.node
    this.node = renewLeaf(before, requiresGrad)
    if (requiresGrad) own(this, before)
  }

  // ── arithmetic, element by element, broadcasting ──

  add(other: Operand): Tensor {
    return new Tensor(arithmetic('add', this, other))
  }
  sub(other: Operand): Tensor {
    return new Tensor(arithmetic('sub', this, other))
  }
  mul(other: Operand): Tensor {
    return new Tensor(arithmetic('mul', this, other))
  }
  div(other: Operand): Tensor {
    return new Tensor(arithmetic('div', this, other))
  }
  neg(): Tensor {
    return new Tensor(g.neg(this.node))
  }
  /** To the power of a number, or of a tensor. Exponents that are multiples of ½ cost multiplications and a square root. */
  pow(exponent: Operand): Tensor {
    const power = nodeOf(exponent)
    return new Tensor(typeof power === 'number' ? g.pow(this.node, power) : g.powTensor(this.node, power))
  }
  square(): Tensor {
    return new Tensor(g.square(this.node))
  }
  exp(): Tensor {
    return new Tensor(g.exp(this.node))
  }
  log(): Tensor {
    return new Tensor(g.log(this.node))
  }
  sqrt(): Tensor {
    return new Tensor(g.sqrt(this.node))
  }
  abs(): Tensor {
    return new Tensor(g.abs(this.node))
  }
  maximum(other: Operand): Tensor {
    return new Tensor(arithmetic('maximum', this, other))
  }
  minimum(other: Operand): Tensor {
    return new Tensor(arithmetic('minimum', this, other))
  }
  /** Not below `min`, not above `max`. */
  clamp(min = -Infinity, max = Infinity): Tensor {
    expectNumbers('clamp', { min, max })
    const low = min === -Infinity ? this : this.maximum(min)
    return max === Infinity ? low : low.minimum(max)
  }
  eq(other: Operand): Tensor {
    return new Tensor(g.eq(this.node, nodeOf(other)))
  }
  ne(other: Operand): Tensor {
    return new Tensor(g.ne(this.node, nodeOf(other)))
  }
  lt(other: Operand): Tensor {
    return new Tensor(g.lt(this.node, nodeOf(other)))
  }
  le(other: Operand): Tensor {
    return new Tensor(g.le(this.node, nodeOf(other)))
  }
  gt(other: Operand): Tensor {
    return new Tensor(g.gt(this.node, nodeOf(other)))
  }
  ge(other: Operand): Tensor {
    return new Tensor(g.ge(this.node, nodeOf(other)))
  }
  /** These elements where `condition` is not 0, else those of `other`. */
  where(condition: Tensor, other: Operand): Tensor {
    return new Tensor(g.where(condition.node, this.node, nodeOf(other)))
  }
  relu(): Tensor {
    return new Tensor(g.relu(this.node))
  }
  tanh(): Tensor {
    return new Tensor(g.tanh(this.node))
  }
  sigmoid(): Tensor {
    return new Tensor(g.sigmoid(this.node))
  }
  softmax(dim: number): Tensor {
    return new Tensor(g.softmax(this.node, dim))
  }
  logSoftmax(dim: number): Tensor {
    return new Tensor(g.logSoftmax(this.node, dim))
  }

  /** Elements as another type; the tensor itself where it has it already. f32 → i32 and u8 truncate. */
  to(dtype: DType): Tensor {
    expectDType('to', dtype)
    return dtype === this.dtype ? this : new Tensor(g.cast(this.node, dtype))
  }
  float(): Tensor {
    return this.to('f32')
  }

  // ── reductions: over the dimensions given, or all ──

  sum(dim?: g.Dims, keepdim = false): Tensor {
    return new Tensor(carryScalar(g.sum(this.node, dim, keepdim)))
  }
  mean(dim?: g.Dims, keepdim = false): Tensor {
    return new Tensor(carryScalar(g.mean(this.node, dim, keepdim)))
  }
  amax(dim?: g.Dims, keepdim = false): Tensor {
    return new Tensor(g.amax(this.node, dim, keepdim))
  }
  /** The index (i32) of the largest element along `dim`, or in the flattened tensor; the first of equals. */
  argmax(dim?: number, keepdim = false): Tensor {
    return new Tensor(g.argmax(this.node, dim, keepdim))
  }
  /** The largest element; along `dim`: values and their indices. Source: torch.max. */
  max(): Tensor
  max(dim: number, keepdim?: boolean): MaxPair
  max(dim?: number, keepdim = false): Tensor | MaxPair {
    if (dim === undefined) return this.amax()
    const { values, indices } = g.max(this.node, dim, keepdim)
    const named = { values: new Tensor(values), indices: new Tensor(indices) }
    return Object.assign([named.values, named.indices] as const, named)
  }

  // ── shapes ──

  /** The same elements in row-major order in another shape; one size may be -1. `view(2, -1)` or `view([2, -1])`. */
  view(...shape: readonly number[] | readonly [Shape]): Tensor {
    return new Tensor(g.reshape(this.node, listed(shape)))
  }
  reshape(...shape: readonly number[] | readonly [Shape]): Tensor {
    return this.view(...shape)
  }
  flatten(startDim = 0, endDim = -1): Tensor {
    return new Tensor(g.flatten(this.node, startDim, endDim))
  }
  /** Dimension i of the result is dimension dims[i]: `permute(1, 0)` or `permute([1, 0])`. */
  permute(...dims: readonly number[] | readonly [Shape]): Tensor {
    return new Tensor(g.permute(this.node, listed(dims)))
  }
  transpose(dim0: number, dim1: number): Tensor {
    return new Tensor(g.transpose(this.node, dim0, dim1))
  }
  /** Repeats dimensions of size 1 (and new ones in front); -1 keeps a size. */
  expand(...shape: readonly number[] | readonly [Shape]): Tensor {
    return new Tensor(g.expand(this.node, listed(shape)))
  }
  /** A new dimension of size 1 at `dim`. */
  unsqueeze(dim: number): Tensor {
    const at = normalizeDim(dim, this.dim() + 1, 'unsqueeze')
    return this.view([...this.shape.slice(0, at), 1, ...this.shape.slice(at)])
  }
  /** Without the dimension `dim` where its size is 1, or without all of size 1. */
  squeeze(dim?: number): Tensor {
    const at = dim === undefined ? undefined : normalizeDim(dim, this.dim(), 'squeeze')
    return this.view(this.shape.filter((size, i) => size !== 1 || (at !== undefined && i !== at)))
  }
  /** `length` elements from `start` along `dim`; a negative start counts from the end. */
  narrow(dim: number, start: number, length: number): Tensor {
    const at = normalizeDim(dim, this.dim(), 'narrow')
    const first = start < 0 ? start + (this.shape[at] ?? 0) : start
    return new Tensor(g.narrow(this.node, at, first, first + length))
  }
  /** Elements `start` … `end` - 1 of dimension 0, as an array's slice: negative counts from the end. */
  slice(start = 0, end?: number): Tensor {
    const size = this.size(0)
    const at = (i: number): number => Math.min(Math.max(i < 0 ? i + size : i, 0), size)
    return new Tensor(g.narrow(this.node, 0, at(start), Math.max(at(start), at(end ?? size))))
  }
  /** Element `index` of dimension 0, without that dimension. */
  select(index: number): Tensor {
    const at = index < 0 ? index + this.size(0) : index
    return new Tensor(g.narrow(this.node, 0, at, at + 1)).squeeze(0)
  }
  matmul(other: Tensor): Tensor {
    return new Tensor(g.matmul(this.node, other.node))
  }

  // ── text ──

  /** As PyTorch prints it. Computes the values; where they cannot be read at once, device and shape stand for them. */
  toString(): string {
    computeNode(this.node)
    if (!isReadable(this.node)) return `tensor(..., device='${deviceOf(this.node)}', size=${showShape(this.shape)})`
    const suffix = this.isLeaf ? (this.requiresGrad ? ['requires_grad=True'] : []) : [gradFunction(this.node.op)]
    return formatTensor(this.toTypedArray(), this.shape, this.dtype, suffix)
  }
  /** What console.log shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
