/**
 * Finds layer norms that exporters spell out below opset 17: d = x − mean(x), d / √(mean(d²) + ε), means over the last
 * axes. The division becomes a LayerNormalization without weights; factor and summand join it when they are read
 * (elementwise.ts).
 * Not here: activations (fuse.ts).
 */
import type { OnnxAttribute, OnnxNode } from './model.js'

/** Constants by name: of one number, and a list of whole numbers. */
export interface Constants {
  readonly scalar: (name: string) => number | undefined
  readonly list: (name: string) => readonly number[] | undefined
}

const none = { f: undefined, i: undefined, s: undefined, t: undefined, ints: [], floats: [], odd: false }

export class NormFuser {
  readonly #producers: ReadonlyMap<string, OnnxNode>
  readonly #constants: Constants

  constructor(producers: ReadonlyMap<string, OnnxNode>, constants: Constants) {
    this.#producers = producers
    this.#constants = constants
  }

  /** The node itself, or the layer norm that it ends. */
  fused(node: OnnxNode): OnnxNode {
    if (node.op !== 'Div' || node.domain !== '') return node
    const centred = this.#node(node.inputs[0], 'Sub')
    const shifted = this.#node(this.#node(node.inputs[1], 'Sqrt')?.inputs[0], 'Add')
    if (centred === undefined || shifted === undefined) return node
    const [x = '', average = ''] = centred.inputs
    const axes = this.#meanAxes(average, x)
    const [variance, eps] = this.#withScalar(shifted)
    const square = this.#node(variance, 'ReduceMean')?.inputs[0]
    if (axes === undefined || eps === undefined || square === undefined) return node
    const isNorm =
      this.#isSquare(square, node.inputs[0] ?? '') && this.#meanAxes(variance, square)?.join() === axes.join()
    if (!isNorm || !axes.every((axis, i) => axis === i - axes.length)) return node
    const attributes = new Map<string, OnnxAttribute>([
      ['axis', { ...none, name: 'axis', i: -axes.length }],
      ['epsilon', { ...none, name: 'epsilon', f: eps }],
    ])
    return { ...node, op: 'LayerNormalization', inputs: [x], attributes }
  }

  #node(value: string | undefined, op: string): OnnxNode | undefined {
    const node = this.#producers.get(value ?? '')
    if (node?.op === 'Cast') return this.#node(node.inputs[0], op)
    return node?.op === op ? node : undefined
  }

  /** The axes, counted from the end, over which `value` is the mean of `of` with its dimensions kept. */
  #meanAxes(value: string, of: string): readonly number[] | undefined {
    const node = this.#node(value, 'ReduceMean')
    if (node === undefined || node.inputs[0] !== of || (node.attributes.get('keepdims')?.i ?? 1) !== 1) return undefined
    const axes = node.attributes.get('axes')?.ints ?? this.#constants.list(node.inputs[1] ?? '')
    return axes === undefined || axes.length === 0 ? undefined : [...axes].toSorted((a, b) => a - b)
  }

  /** The side of a sum that is computed, and the other one. */
  #withScalar({ inputs }: OnnxNode): [value: string, scalar: number | undefined] {
    const [a = '', b = ''] = inputs
    const right = this.#constants.scalar(b)
    return right === undefined ? [b, this.#constants.scalar(a)] : [a, right]
  }

  #isSquare(value: string, of: string): boolean {
    const node = this.#producers.get(value)
    if (node?.op === 'Mul') return node.inputs.every((input) => input === of)
    return node?.op === 'Pow' && node.inputs[0] === of && this.#constants.scalar(node.inputs[1] ?? '') === 2
  }
}
