/**
 * A module as a net as data: it runs once on zeros in eval mode, and the graph that this leaves is read from its end to
 * its beginning. Parameters are known by their leaves, so that names survive. Layers of dropout are seen; `F.dropout`, which
 * does nothing in eval mode, is not.
 * Not here: what each node is (recognise.ts), nets that are data already (graphModule.ts).
 */
import { LenetError, refuseForeign, showShape, type Shape } from '../../base/index.js'
import {
  netActivations,
  netShapes,
  withParameterOrder,
  type NetFile,
  type NetNode,
  type NetOp,
  type NetTensor,
} from '../../formats/index.js'
import { flushWrites, fromArray, noGrad, randomState, setRandomState, Tensor, type Node } from '../../tensor/index.js'
import { refuseStrayBelow, StrayError, strayPart } from '../calls.js'
import { Dropout } from '../layers/index.js'
import type { Layer, Module } from '../module.js'
import { arithmetic } from './arithmetic.js'
import { recognise, type Recognised } from './recognise.js'
import { GraphModule } from './graphModule.js'

/** Pictures in the traced batch: a number that hardly stands for anything else. */
const batch = 3

interface Known {
  readonly name: string
  readonly tensor: Tensor
}

/** The module's tensors by their leaves, and by what lies behind these. */
class Parameters {
  readonly #known = new Map<unknown, Known>()

  constructor(module: Module) {
    for (const [name, tensor] of module.stateDict()) {
      if (this.#known.has(tensor.node)) continue
      this.#known.set(tensor.node, { name, tensor })
      if (tensor.node.storage !== null) this.#known.set(tensor.node.storage, { name, tensor })
    }
  }

  of(node: Node): Known | undefined {
    return this.#known.get(node) ?? (node.op === 'leaf' ? this.#known.get(node.storage) : undefined)
  }
}

const valuesOf = ({ tensor }: Known): NetTensor => ({
  shape: tensor.shape,
  data: Float32Array.from(tensor.toTypedArray()),
})

/** Same values, otherwise laid out. */
function withoutMoves(node: Node): Node {
  let at = node
  for (;;) {
    const [inner] = at.inputs
    if (inner === undefined) return at
    const sameSize = String(inner.shape) === String(at.shape)
    const nothing = at.op === 'batch' || at.op === 'unbatch' || (at.op === 'reshape' && sameSize)
    if (!nothing && !(at.op === 'cast' && inner.dtype === at.dtype)) return at
    at = inner
  }
}

class Tracer {
  readonly #module: Module
  readonly #where: string
  readonly #input: Node
  readonly #parameters: Parameters
  readonly #values = new Map<Node, string>()
  readonly #names = new Set(['input'])
  readonly nodes: NetNode[] = []

  constructor(module: Module, input: Node, where: string) {
    this.#module = module
    this.#where = where
    this.#input = input
    this.#parameters = new Parameters(module)
  }

  /** The name of the value that the node computes; what it needs comes before it. */
  value(given: Node): string {
    const node = withoutMoves(given)
    const isInput = node.op === 'leaf' && (node === this.#input || node.storage === this.#input.storage)
    const known = isInput ? 'input' : this.#values.get(node)
    if (known !== undefined) return known
    const name = this.#add(node)
    this.#values.set(node, name)
    return name
  }

  #add(node: Node): string {
    const parameter = this.#parameters.of(node)
    if (parameter) return this.#fail(`${parameter.name} is used outside of a layer`)
    const found = recognise(node) ?? arithmetic(node, (input) => this.#parameters.of(withoutMoves(input)) !== undefined)
    if (found === undefined) return this.#fail(`${what(node)} is not known in files`)
    const inputs = found.inputs.map((input) => this.value(input))
    const weights = this.#weights(found)
    const op = this.#withMomentum(found.op, weights.prefix)
    const name =
      weights.prefix === undefined ? this.#fresh(nameFor(op, inputs[0], this.nodes)) : this.#own(weights.prefix)
    this.nodes.push({ ...op, name, inputs, weights: weights.values })
    return name
  }

  #weights({ op, weights = new Map() }: Recognised): { prefix?: string; values: Map<string, NetTensor> } {
    const values = new Map<string, NetTensor>()
    const prefixes = new Set<string>()
    for (const [key, node] of weights) {
      const known = this.#parameters.of(withoutMoves(node))
      if (known === undefined)
        return this.#fail(
          `the ${key} of a ${op.op} is not among the attributes of the net: it is computed, or in a private field`,
        )
      const dot = known.name.lastIndexOf('.')
      if (known.name.slice(dot + 1) !== key)
        return this.#fail(`the ${key} of a ${op.op} is called ${known.name}; files want it called ${key}`)
      prefixes.add(known.name.slice(0, Math.max(dot, 0)))
      values.set(key, valuesOf(known))
    }
    if (prefixes.size > 1) return this.#fail(`a ${op.op} mixes parameters of ${[...prefixes].join(' and ')}`)
    const [prefix] = prefixes
    return prefix === undefined ? { values } : { prefix, values }
  }

  /** It leaves no trace in eval mode: the module says it. */
  #withMomentum(op: NetOp, prefix: string | undefined): NetOp {
    if (op.op !== 'batchNorm') return op
    const module = [...this.#module.namedModules()].find(([name]) => name === prefix)?.[1]
    const told = /momentum=([\d.e+-]+)/.exec(String(module))?.[1]
    return told === undefined ? op : { ...op, momentum: Number(told) }
  }

  #own(prefix: string): string {
    if (prefix !== '' && this.#names.has(prefix))
      return this.#fail(`${prefix} is used twice; files have each layer once`)
    return this.#fresh(prefix === '' ? 'layer' : prefix)
  }

  #fresh(wanted: string): string {
    let name = wanted
    for (let k = 1; this.#names.has(name); k++) name = `${wanted}_${k}`
    this.#names.add(name)
    return name
  }

  #fail(message: string): never {
    throw new LenetError(`${this.#where}: ${message}`)
  }
}

const activations: ReadonlySet<string> = new Set(netActivations)

/** The activation of a layer is called after it: Keras keeps it in the layer. */
function nameFor({ op }: NetOp, input: string | undefined, nodes: readonly NetNode[]): string {
  const layer = nodes.find(({ name }) => name === input)
  const isOwn = activations.has(op) && (layer?.op === 'conv2d' || layer?.op === 'linear')
  return isOwn ? `${layer.name}.activation` : op
}

const what = (node: Node): string =>
  `the operation ${node.op} ${showShape(node.shape)}${node.inputs.length > 0 ? ` of ${node.inputs.map(({ op }) => op).join(', ')}` : ''}`

/** The graph of one run in eval mode, but for dropout. No random number is drawn that somebody else would get. */
function run(module: Layer, x: Tensor): Node {
  const modes = module.modules().map((part) => [part, part.training] as const)
  const random = randomState()
  module.eval()
  for (const [part] of modes) if (part instanceof Dropout) part.training = true
  try {
    const out: unknown = noGrad(() => module(x))
    if (out instanceof Tensor) {
      refuseStrayBelow(module, out.node)
      return out.node
    }
    refuseForeign('what it gives', out)
    throw new LenetError('gives something else than one tensor')
  } finally {
    for (const [part, training] of modes) part.training = training
    setRandomState(random)
  }
}

const zeros = (shape: Shape): Tensor =>
  fromArray(new Float32Array(shape.reduce((product, side) => product * side, batch)), [batch, ...shape], 'f32')

/**
 * Throws LenetError where the module uses trainable parameters that are not among its own, as far as an input of these
 * sizes tells: what it does not take says nothing.
 */
export function refuseStrayParts(module: Layer, inputShape: Shape): void {
  const known = strayPart(module)
  if (known) throw known
  try {
    run(module, zeros(inputShape))
  } catch (error) {
    if (error instanceof StrayError) throw error
  }
}

/**
 * The net that `module` computes, with its parameters under their own names.
 * @param inputShape of one picture [C, H, W], or one list [F]
 * @throws LenetError, beginning with `where`, for inputs that the module does not take and operations that files do not know
 */
export function netOfModule(module: Layer, inputShape: Shape, where: string = module.constructor.name): NetFile {
  if (module instanceof GraphModule) return module.netFile()
  flushWrites()
  const x = zeros(inputShape)
  const out = run(module, x)
  const tracer = new Tracer(module, x.node, where)
  const output = tracer.value(out)
  const net: NetFile = { inputs: [{ name: 'input', shape: inputShape }], nodes: tracer.nodes, outputs: [output] }
  netShapes(net, where)
  return withParameterOrder(
    net,
    module.namedParameters().map(([name]) => name),
  )
}
