/** A table of all epochs. Source: keras.callbacks.CSVLogger. */
import { appendFileSync, statSync, writeFileSync } from 'node:fs'
import { fileError, isThere } from '../../base/fs.node.js'
import { expectOptions } from '../../base/index.js'
import { floatText } from '../pythonText.js'
import { Callback, type Logs } from './callback.js'

export interface CSVLoggerOptions {
  /** Default ','. */
  readonly separator?: string
  /** Goes on in a file that is there; default false: begins anew. */
  readonly append?: boolean
}

export class CSVLogger extends Callback {
  readonly #path: string
  readonly #separator: string
  readonly #append: boolean
  #keys: readonly string[] | null = null
  #hasHeader = false

  constructor(path: string, options: CSVLoggerOptions = {}) {
    super()
    expectOptions('CSVLogger', options, ['separator', 'append'])
    const { separator = ',', append = false } = options
    this.#path = path
    this.#separator = separator
    this.#append = append
  }

  override onTrainBegin(): void {
    this.#keys = null
    this.#hasHeader = this.#append && isThere(this.#path) && statSync(this.#path).size > 0
    if (!this.#append) this.#write(() => writeFileSync(this.#path, ''))
  }

  override onEpochEnd(epoch: number, logs: Logs): void {
    const keys = (this.#keys ??= columnsOf(logs))
    const rows = this.#hasHeader ? [] : [['epoch', ...keys]]
    this.#hasHeader = true
    const values = keys.map((key) => (key in logs ? floatText(logs[key] ?? NaN) : 'NA'))
    const text = [...rows, [String(epoch), ...values]].map((row) => `${row.join(this.#separator)}\r\n`).join('')
    this.#write(() => appendFileSync(this.#path, text))
  }

  #write(body: () => void): void {
    try {
      body()
    } catch (error) {
      throw fileError(error, this.#path)
    }
  }
}

/** By the alphabet; validation may come later. */
function columnsOf(logs: Logs): string[] {
  const keys = Object.keys(logs).toSorted()
  return keys.some((key) => key.startsWith('val_')) ? keys : [...keys, ...keys.map((key) => `val_${key}`)]
}
