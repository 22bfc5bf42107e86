/** Tells the progress bar. Source: keras.callbacks.ProgbarLogger. */
import { output } from '../output.js'
import { Progbar, type Verbose } from '../progbar.js'
import { Callback, type Logs } from './callback.js'

export class ProgbarLogger extends Callback {
  readonly #verbose: Verbose
  #bar: Progbar | null = null
  #isTraining = false

  constructor(verbose: Verbose) {
    super()
    this.#verbose = verbose
  }

  /** Whether an update would draw now. */
  get isDue(): boolean {
    return this.#bar?.isDue === true
  }

  /** The first step is done: it is left out of the time a step takes. */
  first(): void {
    this.#bar?.first()
  }

  #begin(): void {
    const { write, isTerminal } = output
    this.#bar = new Progbar({ target: this.params.steps, verbose: this.#verbose, write, isTerminal })
  }

  override onTrainBegin(): void {
    this.#isTraining = true
  }

  override onEpochBegin(epoch: number): void {
    this.#begin()
    if (this.#verbose > 0 && this.params.epochs > 1) output.write(`Epoch ${epoch + 1}/${this.params.epochs}\n`)
  }

  /** How far it is; told by the run itself, which makes logs only when they are shown. */
  progress(done: number, logs: Logs): void {
    this.#bar?.update(done, logs)
  }

  override onEpochEnd(_epoch: number, logs: Logs): void {
    this.#bar?.finalize(logs)
  }

  override onTestBegin(): void {
    if (!this.#isTraining) this.#begin()
  }

  override onTestEnd(logs: Logs): void {
    if (!this.#isTraining) this.#bar?.finalize(logs)
  }

  override onPredictBegin(): void {
    this.#begin()
  }

  override onPredictEnd(): void {
    this.#bar?.finalize({})
  }
}
