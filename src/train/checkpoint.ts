/**
 * A training's whole state as plain values, for a file from which it goes on to the same bits; and back.
 * The file is a PyTorch checkpoint too: { model, optimizer, epoch, … }. Not here: reading and writing it (cli).
 */
import { LenetError, isMap } from '../base/index.js'
import { fromArray, Tensor, type RandomState } from '../tensor/index.js'
import type { EpochFigures } from './events.js'
import type { Progress, Sums } from './trainer.js'

/** How the run was asked for: a resumed run must be the same. */
export interface RunSettings {
  readonly idiom: string
  readonly model: string
  readonly optimizer: string
  readonly data: string
  readonly batchSize: number
  readonly lr: number
  readonly seed: number
  readonly limitTrain: number // 0: all
}

type Plain = ReadonlyMap<unknown, unknown>

function randomEntries({ generator, keysDrawn }: RandomState): Record<string, unknown> {
  return {
    seed: generator.seed.toString(),
    words: fromArray(
      Int32Array.from(generator.words, (word) => word | 0),
      [generator.words.length],
      'i32',
    ),
    index: generator.index,
    next_normal: generator.nextNormal ?? null,
    keys_drawn: keysDrawn,
  }
}

const figuresOf = ({ epoch, loss, accuracy, valLoss, valAccuracy }: EpochFigures): Record<string, unknown> => ({
  epoch,
  loss,
  accuracy,
  ...(valLoss === undefined || valAccuracy === undefined ? {} : { val_loss: valLoss, val_accuracy: valAccuracy }),
})

/** What `save` writes; `history` has the figures of the epochs done. */
export function checkpointOf(
  model: unknown,
  optimizer: unknown,
  progress: Progress,
  settings: RunSettings,
  history: readonly EpochFigures[],
): Record<string, unknown> {
  const { epoch, batch, epochStart, now, window, whole } = progress
  const random = { epoch_start: randomEntries(epochStart), now: randomEntries(now) }
  return {
    model,
    optimizer,
    epoch,
    batch,
    random,
    window: { ...window },
    whole: { ...whole },
    settings: { ...settings },
    history: history.map(figuresOf),
  }
}

/** Reads values out of a loaded checkpoint; `path` is for errors. */
export class CheckpointReader {
  readonly #path: string
  readonly #top: Plain

  constructor(loaded: unknown, path: string) {
    this.#path = path
    this.#top = this.#map(loaded, 'the file')
  }

  part(name: string): unknown {
    const value = this.#top.get(name)
    return value === undefined ? this.#fail(`has no '${name}'`) : value
  }

  settings(): RunSettings {
    const found = this.#map(this.part('settings'), 'settings')
    const number = (name: string): number => this.#number(found, name)
    const text = (name: string): string => String(found.get(name))
    const idiom = found.has('idiom') ? text('idiom') : 'torch' // older files do not say it
    const names = { idiom, model: text('model'), optimizer: text('optimizer'), data: text('data') }
    const numbers = { batchSize: number('batchSize'), lr: number('lr'), seed: number('seed') }
    return { ...names, ...numbers, limitTrain: number('limitTrain') }
  }

  progress(): Progress {
    const random = this.#map(this.part('random'), 'random')
    return {
      epoch: this.#number(this.#top, 'epoch'),
      batch: this.#number(this.#top, 'batch'),
      epochStart: this.#random(random.get('epoch_start')),
      now: this.#random(random.get('now')),
      window: this.#sums('window'),
      whole: this.#sums('whole'),
    }
  }

  /** The figures of the epochs done; of none where an older file does not tell them. */
  history(): EpochFigures[] {
    const found = this.#top.get('history') ?? []
    if (!Array.isArray(found)) return this.#fail('has no history')
    return found.map((entry: unknown) => this.#figures(this.#map(entry, 'history')))
  }

  #figures(from: Plain): EpochFigures {
    const number = (name: string): number => this.#number(from, name)
    return {
      epoch: number('epoch'),
      loss: number('loss'),
      accuracy: number('accuracy'),
      ...(from.has('val_loss') ? { valLoss: number('val_loss'), valAccuracy: number('val_accuracy') } : {}),
    }
  }

  #sums(name: string): Sums {
    const found = this.#map(this.part(name), name)
    const number = (key: string): number => this.#number(found, key)
    return { loss: number('loss'), correct: number('correct'), seen: number('seen'), batches: number('batches') }
  }

  #random(value: unknown): RandomState {
    const found = this.#map(value, 'random')
    const words = found.get('words')
    const nextNormal = found.get('next_normal')
    const seed = String(found.get('seed'))
    if (!(words instanceof Tensor) || !/^\d+$/.test(seed)) return this.#fail('has no random words and seed')
    return {
      keysDrawn: this.#number(found, 'keys_drawn'),
      generator: {
        seed: BigInt(seed),
        words: Uint32Array.from(words.toTypedArray(), (word) => word >>> 0),
        index: this.#number(found, 'index'),
        nextNormal: typeof nextNormal === 'number' ? nextNormal : undefined,
      },
    }
  }

  #map(value: unknown, what: string): Plain {
    return isMap(value) ? value : this.#fail(`has no ${what}`)
  }

  #number(from: Plain, name: string): number {
    const value = from.get(name)
    return typeof value === 'number' ? value : this.#fail(`has no number '${name}'`)
  }

  #fail(why: string): never {
    throw new LenetError(`${this.#path} is not a checkpoint to resume from: it ${why}`)
  }
}
