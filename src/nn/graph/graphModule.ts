/**
 * GraphModule: a net as data (of a file of any format) as a module that runs, trains and is saved. Its parameters have the
 * names of the file.
 * Not here: what each node computes (nodes.ts), the way from a module to data (trace.ts), files (cli).
 */
import { LenetError, sizeOf, type Shape } from '../../base/index.js'
import {
  netShapes,
  nodesInParameterOrder,
  shownShape,
  type NetFile,
  type NetNode,
  type NetShape,
} from '../../formats/index.js'
import { flushWrites, ops, Tensor, writeLater } from '../../tensor/index.js'
import { Module } from '../module.js'
import { Buffer, Parameter } from '../parameter.js'
import { nodeText } from './nodeText.js'
import { runOp, tensorOf, type NodeWeights, type OpOf } from './nodes.js'

type Owned = Parameter | Buffer

const isBuffer = (key: string): boolean => key.startsWith('running_')

function ownedWeights({ weights }: NetNode): Map<string, Owned> {
  const order = ['weight', 'bias', 'running_mean', 'running_var']
  const keys = [...weights.keys()].toSorted((a, b) => order.indexOf(a) - order.indexOf(b))
  const owned = new Map<string, Owned>()
  for (const key of keys) {
    const values = weights.get(key)
    if (values !== undefined)
      owned.set(key, isBuffer(key) ? new Buffer(tensorOf(values)) : new Parameter(tensorOf(values)))
  }
  return owned
}

/** Running statistics follow a batch's: running = (1 − momentum) running + momentum now. */
function follow(running: Tensor | undefined, now: Tensor['node'], momentum: number): void {
  if (!(running instanceof Buffer)) return
  const kept = ops.mul(running.node, ops.constant(1 - momentum))
  writeLater(running, ops.add(kept, ops.mul(ops.detach(now), ops.constant(momentum))))
}

function batchNorm(x: Tensor, { eps, momentum }: OpOf<'batchNorm'>, weights: NodeWeights, training: boolean): Tensor {
  const [mean, variance] = [weights.get('running_mean'), weights.get('running_var')]
  const affine = { weight: weights.get('weight')?.node, bias: weights.get('bias')?.node, eps }
  if (mean === undefined || variance === undefined) throw new LenetError('the running statistics are missing')
  flushWrites(mean.node)
  if (!training) return new Tensor(ops.batchNormEval(x.node, mean.node, variance.node, affine))
  const found = ops.batchNormTrain(x.node, affine)
  follow(mean, found.mean, momentum)
  follow(variance, found.unbiasedVariance, momentum)
  return new Tensor(found.output)
}

/**
 * Takes a batch [N, …] of the net's one input, pictures as [N, C, H, W], and gives its one output. Random layers of Keras
 * (augmentation) do nothing.
 */
export class GraphModule extends Module {
  /** The file's description; parameters may have been trained since: `netFileOf` gives them as they are. */
  readonly #net: NetFile
  readonly #weights = new Map<string, ReadonlyMap<string, Owned>>()
  readonly #shapes: ReadonlyMap<string, NetShape>

  /** Throws LenetError, with `where`, where the net does not fit together or has not one input and one output. */
  constructor(net: NetFile, where = 'the net') {
    super()
    this.#shapes = netShapes(net, where)
    if (net.inputs.length !== 1 || net.outputs.length !== 1) {
      const [ins, outs] = [net.inputs.length, net.outputs.length]
      throw new LenetError(`${where}: it has ${ins} inputs and ${outs} outputs; nets of one and one can be run`)
    }
    this.#net = net
    for (const node of nodesInParameterOrder(net)) this.#weights.set(node.name, ownedWeights(node))
  }

  /** Sizes of one picture or list, as the file tells them; null where any is right. */
  get inputShape(): readonly (number | null)[] {
    return this.#net.inputs[0]?.shape ?? []
  }

  /** Bytes of all its values for an input of these sizes; undefined for one that it does not take. */
  valueBytes(sizes: Shape): number | undefined {
    const inputs = this.#net.inputs.map((input) => ({ ...input, shape: sizes }))
    try {
      const shapes = [...netShapes({ ...this.#net, inputs }).values()]
      return shapes.reduce((sum, shape) => sum + 4 * sizeOf(shape.map((size) => size ?? 1)), 0)
    } catch (error) {
      if (error instanceof LenetError) return undefined
      throw error
    }
  }

  /** The net as data, with the parameters' values as they are now. */
  netFile(): NetFile {
    flushWrites()
    const nodes = this.#net.nodes.map((node) => {
      const weights = [...(this.#weights.get(node.name) ?? [])].map(
        ([key, tensor]) => [key, { shape: tensor.shape, data: Float32Array.from(tensor.toTypedArray()) }] as const,
      )
      return { ...node, weights: new Map(weights) }
    })
    return { ...this.#net, nodes }
  }

  override *ownTensors(): Generator<[string, Owned]> {
    for (const [name, tensors] of this.#weights) for (const [key, tensor] of tensors) yield [`${name}.${key}`, tensor]
  }

  forward(x: Tensor): Tensor {
    const values = new Map<string, Tensor>([[this.#net.inputs[0]?.name ?? '', x]])
    for (const node of this.#net.nodes) values.set(node.name, this.#run(node, values))
    const out = values.get(this.#net.outputs[0] ?? '')
    if (out === undefined) throw new LenetError('the net gives nothing')
    return out
  }

  #run(node: NetNode, values: ReadonlyMap<string, Tensor>): Tensor {
    const inputs = node.inputs.flatMap((name) => values.get(name) ?? [])
    const weights = this.#weights.get(node.name) ?? new Map<string, Tensor>()
    const { training } = this
    try {
      return runOp(node, {
        inputs,
        weights,
        training,
        batchNorm: (x, op, own) => batchNorm(x, op, own, training),
      })
    } catch (error) {
      if (!(error instanceof LenetError)) throw error
      throw new LenetError(`${node.name} (${node.op}): ${error.message}`, { cause: error })
    }
  }

  /** A line for each node: its name, what it is in PyTorch's words, what it reads if not the line before, its sizes. */
  override toString(): string {
    const { inputs, nodes } = this.#net
    let before = inputs[0]?.name
    const lines = nodes.map((node) => {
      const shape = this.#shapes.get(node.name) ?? []
      const reads = node.inputs.length === 1 && node.inputs[0] === before ? '' : ` of ${node.inputs.join(', ')}`
      before = node.name
      return `  (${node.name}): ${nodeText(node, shape)}${reads} → ${shownShape(shape)}`
    })
    return `${this.constructor.name}(\n${lines.join('\n')}\n)`
  }
}
