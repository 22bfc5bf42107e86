/**
 * DataLoader: batches of a data set, in PyTorch's order for the same seed. Not here: what a batch is made of
 * (loaderDatasets.ts).
 */
import { expectOptions, Generator, UsageError } from '../base/index.js'
import { defaultGenerator, endBatch, ops } from '../tensor/index.js'
import type { Batch, Dataset } from './loaderDatasets.js'

export interface DataLoaderOptions {
  /** Pictures in a batch; default 1. */
  readonly batchSize?: number
  /** Another random order in each pass; default false. */
  readonly shuffle?: boolean
  /** Leaves out a last batch that is not full; default false. */
  readonly dropLast?: boolean
  /** Taken for PyTorch's sake and ignored: a batch is a list of indices, there is nothing to do for workers. */
  readonly numWorkers?: number
  /** Draws from this generator instead of the one that `manualSeed` sets: evaluation then leaves training's draws alone. */
  readonly generator?: Generator
}

const known = ['batchSize', 'shuffle', 'dropLast', 'numWorkers', 'generator'] as const

function checkOptions(options: DataLoaderOptions): void {
  expectOptions('DataLoader', options, known)
  const { batchSize = 1 } = options
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new UsageError(`DataLoader: batchSize must be a whole number of 1 or more, got ${batchSize}`)
}

/**
 * Batches of a data set: `for (const { inputs, labels } of loader)`, or `[inputs, labels]`. Each pass is a new iterator;
 * it draws a base seed, and, with `shuffle`, a seed for the order. Source: torch.utils.data.DataLoader.
 */
export class DataLoader<D extends Dataset = Dataset> implements Iterable<Batch> {
  readonly dataset: D
  readonly batchSize: number
  readonly #options: DataLoaderOptions

  constructor(dataset: D, options: DataLoaderOptions = {}) {
    checkOptions(options)
    this.dataset = dataset
    this.batchSize = options.batchSize ?? 1
    this.#options = options
  }

  /** Batches in a pass. */
  get length(): number {
    const batches = this.dataset.length / this.batchSize
    return this.#options.dropLast === true ? Math.floor(batches) : Math.ceil(batches)
  }

  [Symbol.iterator](): Pass {
    // PyTorch's base seed, for workers that we do not have: it keeps the numbers in step.
    ;(this.#options.generator ?? defaultGenerator).random64()
    return this.#batches()
  }

  *#batches(): Pass {
    const order = this.#order()
    const { batchSize, dataset } = this
    for (let i = 0; i < this.length; i++) {
      const index = order.subarray(i * batchSize, (i + 1) * batchSize)
      endBatch()
      yield dataset.rows(ops.hostLeaf(index, [index.length], 'i32'))
    }
    // PyTorch's sampler draws one order more when it ends; with a generator of one's own that is seen.
    const { shuffle, generator } = this.#options
    if (shuffle === true) generator?.randperm(dataset.length)
  }

  /** Indices of the whole pass. */
  #order(): Int32Array {
    const { length } = this.dataset
    const { shuffle = false, generator } = this.#options
    if (!shuffle) return Int32Array.from({ length }, (_, i) => i)
    return Int32Array.from((generator ?? new Generator(defaultGenerator.random64())).randperm(length))
  }
}

type Pass = globalThis.Generator<Batch, void, undefined>
