/** What the flags of `lenet train` mean: checked, and compared with those of a run to resume. Not here: the run (train.ts). */
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { LenetError, UsageError } from '../base/index.js'
import { optim } from '../nn/index.js'
import type { RunSettings } from '../train/index.js'
import { checkData } from './dataSets.js'
import { checkDevice, type DeviceFlags } from './deviceFlags.js'

export interface TrainOptions extends DeviceFlags {
  readonly model: string
  readonly idiom: string
  readonly data: string
  readonly dataDir?: string
  readonly epochs: number
  readonly batchSize: number
  readonly optimizer: string
  /** Default: the optimizer's in its idiom. */
  readonly lr?: number
  readonly seed: number
  readonly limitTrain?: number
  readonly limitTest?: number
  readonly out?: string
  readonly resume?: string
  readonly validate?: boolean
  readonly json?: boolean
  /** Shows sample pictures, as the article does. */
  readonly samples?: boolean
}

export type AnyOptimizer = optim.Adam | optim.AdamW | optim.SGD
export const optimizers = { adam: optim.Adam, adamw: optim.AdamW, sgd: optim.SGD } as const

/** All that can be wrong with the flags themselves, before anything is fetched or written. */
export function checkFlags(options: TrainOptions): void {
  const { idiom, optimizer, resume } = options
  if (idiom !== 'torch' && idiom !== 'keras') throw new UsageError(`--idiom ${idiom}: there are torch and keras`)
  if (!Object.hasOwn(optimizers, optimizer))
    throw new UsageError(`--optimizer ${optimizer}: there are adam, adamw and sgd`)
  checkDevice(options)
  checkData(options.data)
  if (resume !== undefined && !existsSync(checkpointIn(resume)))
    throw new LenetError(`--resume ${resume}: there is no checkpoint.pth in that folder`)
}

/** Where a run's state is kept in its folder. */
export const checkpointIn = (folder: string): string => join(resolve(folder), 'checkpoint.pth')

/** As PyTorch's and Keras' optimizers have it. */
const defaultRate = ({ idiom, optimizer }: TrainOptions): number =>
  idiom === 'keras' && optimizer === 'sgd' ? 0.01 : 0.001

/** What must be the same when a run is resumed. Names without folders: a file's bytes do not tell where it was made. */
export function settingsOf(options: TrainOptions): RunSettings {
  const { idiom, model, optimizer, data, batchSize, lr = defaultRate(options), seed, limitTrain = 0 } = options
  return { idiom, model: basename(model), optimizer, data: basename(data), batchSize, lr, seed, limitTrain }
}

/** @throws UsageError naming the first flag that differs from the checkpoint's */
export function checkSettings(saved: RunSettings, now: RunSettings, path: string): void {
  for (const name of Object.keys(saved) as (keyof RunSettings)[]) {
    if (now[name] === saved[name]) continue
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    const told = (value: string | number): string => (name === 'limitTrain' && value === 0 ? 'all' : String(value))
    throw new UsageError(
      `--resume: ${path} was made with ${flag} ${told(saved[name])}, not ${told(now[name])}; give the same flags`,
    )
  }
}

/** The command that goes on with a run: the same words, with the folder to resume from. */
export function resumeCommand(words: readonly string[], folder: string): string {
  const own = /^--(resume|out)(=|$)/
  const kept = words.filter((word, i) => !own.test(word) && !/^--(resume|out)$/.test(words[i - 1] ?? ''))
  const quoted = [...kept, '--resume', folder].map((word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`,
  )
  return `lenet ${quoted.join(' ')}`
}
