/**
 * Finds activations that exporters spell out: x·sigmoid(x) (silu), x·hardSigmoid(x) (hardSwish) and gelu by erf or tanh.
 * The last Mul of such a group becomes the one node that it means; what nobody reads then is left out later.
 * Expressions are compared in a normal form: a product of a number and sorted factors.
 * Not here: other rewritings.
 */
import type { OnnxAttribute, OnnxNode } from './model.js'
import { onnxTypes } from './tensors.js'

interface Product {
  readonly k: number
  readonly factors: readonly string[]
}

const functions: Readonly<Record<string, string>> = {
  Erf: 'erf',
  Tanh: 'tanh',
  Sigmoid: 'sigmoid',
  HardSigmoid: 'hardSigmoid',
}
/** Of a cast to these nothing but precision is left. */
const floats = new Set(['float', 'float16', 'double', 'bfloat16'])
const helpers = new Set([...Object.keys(functions), 'Mul', 'Div', 'Add', 'Pow', 'Cast', 'Identity'])
const mostSteps = 200_000
const mostStepsEach = 64
const deepest = 10
const mostCandidates = 12

const text = ({ k, factors }: Product): string => [k.toPrecision(4), ...[...factors].sort()].join('·')
const product = (k: number, ...factors: readonly string[]): Product => ({ k, factors })
const sum = (a: Product, b: Product): string => `(${[text(a), text(b)].sort().join('+')})`

const x = product(1, 'x')
const one = product(1)
const cubic = sum(x, product(0.044715, 'x', 'x', 'x'))
const square = sum(one, product(0.044715, 'x', 'x'))
const tanhGelu = (inner: Product): string => text(product(0.5, 'x', sum(one, product(1, `tanh(${text(inner)})`))))

/** Normal form → the operator that it is. */
const known: ReadonlyMap<string, readonly [op: string, approximate: string]> = new Map([
  [text(product(1, 'x', `sigmoid(${text(x)})`)), ['Swish', '']],
  [text(product(1, 'x', `hardSigmoid(${text(x)})`)), ['HardSwish', '']],
  [text(product(0.5, 'x', sum(one, product(1, `erf(${text(product(Math.SQRT1_2, 'x'))})`)))), ['Gelu', 'none']],
  [tanhGelu(product(Math.sqrt(2 / Math.PI), cubic)), ['Gelu', 'tanh']],
  [tanhGelu(product(Math.sqrt(2 / Math.PI), 'x', square)), ['Gelu', 'tanh']],
])

/** Replaces such groups' last nodes. `scalarOf` gives a constant of one item by its name. */
export class Fuser {
  readonly #producers: ReadonlyMap<string, OnnxNode>
  readonly #scalarOf: (name: string) => number | undefined
  #steps = mostSteps
  /** Steps that are left for one comparison. */
  #left = 0

  constructor(producers: ReadonlyMap<string, OnnxNode>, scalarOf: (name: string) => number | undefined) {
    this.#producers = producers
    this.#scalarOf = scalarOf
  }

  /** The node itself, or what it means together with those before it. */
  fused(node: OnnxNode): OnnxNode {
    if (node.op !== 'Mul' || node.domain !== '') return node
    for (const candidate of this.#candidates(node)) {
      const found = known.get(this.#text(node.outputs[0] ?? '', candidate) ?? '')
      if (found === undefined) continue
      const [op, approximate] = found
      return { ...node, op, inputs: [candidate], attributes: attributesOf(approximate) }
    }
    return node
  }

  /** Values that the Mul depends on through few nodes, if a function of the kind is among those. */
  #candidates(node: OnnxNode): string[] {
    const seen = new Set<string>(node.inputs)
    let isFunction = false
    for (const name of seen) {
      if (seen.size > mostCandidates || this.#steps-- < 0) break
      const producer = this.#producers.get(name)
      if (producer === undefined || !helpers.has(producer.op)) continue
      if (producer.op in functions) isFunction = true
      for (const input of producer.inputs) seen.add(input)
    }
    return isFunction ? [...seen].filter((name) => name !== '' && this.#scalarOf(name) === undefined) : []
  }

  #text(name: string, candidate: string): string | undefined {
    this.#left = Math.min(mostStepsEach, this.#steps)
    this.#steps -= this.#left
    const found = this.#product(name, candidate, 0)
    this.#steps += Math.max(this.#left, 0)
    return found === undefined ? undefined : text(found)
  }

  #product(name: string, candidate: string, depth: number): Product | undefined {
    if (name === candidate) return x
    if (depth > deepest || this.#left-- < 0) return undefined
    const scalar = this.#scalarOf(name)
    if (scalar !== undefined) return product(scalar)
    const node = this.#producers.get(name)
    if (node === undefined || !helpers.has(node.op)) return undefined
    const parts = node.inputs.map((input) => this.#product(input, candidate, depth + 1))
    const [a, b] = parts
    if (a === undefined || parts.includes(undefined)) return undefined
    return combined(node, a, b)
  }
}

function combined(node: OnnxNode, a: Product, b: Product | undefined): Product | undefined {
  const named = functions[node.op]
  if (named !== undefined) return isUsual(node) ? product(1, `${named}(${text(a)})`) : undefined
  if (node.op === 'Identity') return a
  if (node.op === 'Cast') return floats.has(onnxTypes[node.attributes.get('to')?.i ?? 0] ?? '') ? a : undefined
  if (b === undefined) return undefined
  if (node.op === 'Mul') return product(a.k * b.k, ...a.factors, ...b.factors)
  if (node.op === 'Add') return product(1, sum(a, b))
  if (b.factors.length > 0) return undefined
  if (node.op === 'Div') return product(a.k / b.k, ...a.factors)
  const isPower = b.k === 2 || b.k === 3
  return isPower ? product(a.k ** b.k, ...Array.from({ length: b.k }, () => a.factors).flat()) : undefined
}

/** HardSigmoid's slope and offset may be others; those of hardSwish are 1/6 and 1/2. */
function isUsual({ op, attributes }: OnnxNode): boolean {
  if (op !== 'HardSigmoid') return true
  const [alpha, beta] = [attributes.get('alpha')?.f ?? 0.2, attributes.get('beta')?.f ?? 0.5]
  return Math.abs(alpha - 1 / 6) < 1e-6 && Math.abs(beta - 0.5) < 1e-6
}

function attributesOf(approximate: string): Map<string, OnnxAttribute> {
  if (approximate === '') return new Map()
  const none = { f: undefined, i: undefined, t: undefined, ints: [], floats: [], odd: false }
  return new Map([['approximate', { name: 'approximate', s: approximate, ...none }]])
}
