/**
 * Data sets as nets see them: a batch is a list of indices, and its pixels are gathered, converted and normalised by the
 * first kernel of the step. Not here: which indices (loader.ts), where the bytes come from (cifar10.node.ts, …).
 */
import { LenetError, showShape, UsageError } from '../base/index.js'
import { type Node, ops, ownTensor, residentLeaf, Tensor } from '../tensor/index.js'
import type { ImageSet } from './imageSet.js'
import { transforms, type Normalize, type Transform } from './transforms.js'

/** Pictures and their labels: by name, or as a pair. */
export type Batch = readonly [inputs: Tensor, labels: Tensor] & { readonly inputs: Tensor; readonly labels: Tensor }

/** What a DataLoader takes. */
export interface Dataset {
  readonly length: number
  /** Rows `index` (a leaf [N] of i32) of inputs and labels. */
  rows(index: Node): Batch
}

const pairOf = (inputs: Tensor, labels: Tensor): Batch => Object.assign([inputs, labels] as const, { inputs, labels })

type Step = (x: Node) => Node

/** 255 and other constants are part of the plan's structure. */
const toFloats: Step = (x) => ops.div(ops.cast(x, 'f32'), ops.constant(255))

function channelNode(values: readonly number[], channels: number): Node {
  const [first = 0] = values
  if (values.every((value) => value === first)) return ops.constant(first)
  if (values.length === channels) return ops.hostLeaf(Float32Array.from(values), [channels, 1, 1], 'f32')
  throw new LenetError(`normalize: has ${values.length} means and deviations, the pictures have ${channels} channels`)
}

function normalising({ mean, std }: Normalize, channels: number): Step {
  const [means, deviations] = [channelNode(mean, channels), channelNode(std, channels)]
  return (x) => ops.div(ops.sub(x, means), deviations)
}

const flat = (transform: Transform): Exclude<Transform, { kind: 'compose' }>[] =>
  transform.kind === 'compose' ? transform.transforms.flatMap(flat) : [transform]

/** The transform as steps on a batch of bytes. Throws UsageError unless bytes become floats once, and first. */
function stepsOf(transform: Transform, channels: number): Step[] {
  const list = flat(transform)
  if (list.findLastIndex(({ kind }) => kind === 'toTensor') !== 0) {
    throw new UsageError('transform: toTensor() must come first, and once: compose([toTensor(), normalize(…)])')
  }
  return list.map((step) => (step.kind === 'toTensor' ? toFloats : normalising(step, channels)))
}

export interface ImageDatasetOptions {
  /** What is done to every picture; default `transforms.toTensor()`. */
  readonly transform?: Transform | undefined
}

/** Labelled pictures in memory. `classes` are the label's names. */
export class ImageDataset implements Dataset {
  readonly images: ImageSet
  readonly transform: Transform
  readonly #steps: readonly Step[]
  #pixels: Node | null = null
  #labels: Node | null = null

  /** @throws UsageError, LenetError when the transform does not fit the pictures */
  constructor(images: ImageSet, { transform = transforms.toTensor() }: ImageDatasetOptions = {}) {
    this.images = images
    this.transform = transform
    this.#steps = stepsOf(transform, images.channels)
  }

  get length(): number {
    return this.images.count
  }

  get classes(): readonly string[] {
    return this.images.classes
  }

  /** [count, channels, height, width] bytes, in the device's memory once and for all. */
  get #table(): Node {
    const { pixels, count, channels, height, width } = this.images
    return (this.#pixels ??= residentLeaf([count, channels, height, width], 'u8', pixels))
  }

  get #labelTable(): Node {
    return (this.#labels ??= residentLeaf([this.length], 'i32', Int32Array.from(this.images.labels)))
  }

  rows(index: Node): Batch {
    const places = ops.batch(index)
    let inputs = ops.gatherRows(this.#table, places)
    for (const step of this.#steps) inputs = step(inputs)
    return pairOf(new Tensor(inputs), new Tensor(ops.gatherRows(this.#labelTable, places)))
  }

  /** One picture [C, H, W] after the transform, and its label. Source: the data set's `[i]` in PyTorch. */
  get(i: number): { readonly image: Tensor; readonly label: number } {
    if (!Number.isInteger(i) || i < 0 || i >= this.length) {
      throw new LenetError(`there is no picture ${i}: the data set has ${this.length}`)
    }
    const { inputs } = this.rows(ops.hostLeaf(Int32Array.of(i), [1], 'i32'))
    return { image: inputs.squeeze(0), label: this.images.labels[i] ?? 0 }
  }
}

/** A leaf of the same values in the device's memory: a data set is not handed over again with each batch. */
function resident(given: Tensor, what: string): Node {
  const x = ownTensor(given) ?? given
  if (x.dim() === 0)
    throw new LenetError(`TensorDataset: ${what} must have one row for each picture, got a single number`)
  return residentLeaf(x.shape, x.dtype, x.toTypedArray())
}

/** Rows of two tensors of the same length: inputs [count, …] and labels [count]. Source: torch.utils.data.TensorDataset. */
export class TensorDataset implements Dataset {
  readonly length: number
  readonly #inputs: Node
  readonly #labels: Node

  constructor(inputs: Tensor, labels: Tensor) {
    if (inputs.shape[0] !== labels.shape[0]) {
      throw new LenetError(
        `TensorDataset: inputs ${showShape(inputs.shape)} and labels ${showShape(labels.shape)} must have as many rows`,
      )
    }
    this.#inputs = resident(inputs, 'inputs')
    this.#labels = resident(labels, 'labels')
    this.length = inputs.size(0)
  }

  rows(index: Node): Batch {
    const places = ops.batch(index)
    return pairOf(new Tensor(ops.gatherRows(this.#inputs, places)), new Tensor(ops.gatherRows(this.#labels, places)))
  }
}
