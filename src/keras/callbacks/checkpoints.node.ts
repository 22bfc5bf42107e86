/** Callbacks that save models: ModelCheckpoint and BackupAndRestore. Not here: the files (save.node.ts). */
import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileError, isThere, makeFolder, writeFileAtomicSync } from '../../base/fs.node.js'
import { expectOptions, LenetError, UsageError, isError } from '../../base/index.js'
import { output } from '../output.js'
import { fixed, formatted } from '../pythonText.js'
import { loadWeights, saveModel, saveWeights } from '../save.node.js'
import { Callback, type Logs, type Told } from './callback.js'
import { MonitorCallback, type MonitorOptions } from './monitor.js'

/** Counts batches, and says when to save. */
class BatchCount {
  readonly #every: number
  #seen = 0
  #last = -1

  constructor(every: 'epoch' | number) {
    this.#every = every === 'epoch' ? Infinity : every
    if (!(this.#every >= 1))
      throw new UsageError(`saveFreq must be 'epoch' or a whole number of 1 or more, got ${every}`)
  }

  isDue(batch: number): boolean {
    this.#seen += batch <= this.#last ? batch + 1 : batch - this.#last
    this.#last = batch
    if (this.#seen < this.#every) return false
    this.#seen = 0
    return true
  }
}

export interface ModelCheckpointOptions extends Omit<MonitorOptions, 'minDelta'> {
  /** Only when the watched value is the best so far; default false. */
  readonly saveBestOnly?: boolean
  /** Default false: the whole model. */
  readonly saveWeightsOnly?: boolean
  /** 'epoch' (default), or batches between two savings. */
  readonly saveFreq?: 'epoch' | number
  /** Must be bettered before anything is saved. */
  readonly initialValueThreshold?: number
}

/**
 * Saves the model while it is trained. The path may hold `{epoch}`, `{epoch:02d}`, `{val_loss:.2f}`.
 * Source: keras.callbacks.ModelCheckpoint.
 */
export class ModelCheckpoint extends MonitorCallback {
  readonly #path: string
  readonly #options: ModelCheckpointOptions
  readonly #count: BatchCount
  #best: number | null
  #epoch = 0

  constructor(path: string, options: ModelCheckpointOptions = {}) {
    super('ModelCheckpoint', options, ['saveBestOnly', 'saveWeightsOnly', 'saveFreq', 'initialValueThreshold'])
    const { saveWeightsOnly = false, saveFreq = 'epoch', initialValueThreshold = null } = options
    const endings = saveWeightsOnly ? ['.weights.h5'] : ['.keras', '.h5']
    if (!endings.some((ending) => path.endsWith(ending)))
      throw new UsageError(`The filepath provided must end in ${endings.join(' or ')}. Received: filepath=${path}`)
    this.#path = path
    this.#options = options
    this.#count = new BatchCount(saveFreq)
    this.#best = initialValueThreshold
  }

  override onEpochBegin(epoch: number): void {
    this.#epoch = epoch
  }

  override onTrainBatchEnd(batch: number, logs: Logs): Told {
    return this.#count.isDue(batch) ? this.#save({ batch: batch + 1, ...logs }, logs) : undefined
  }

  override async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    this.#epoch = epoch
    if (this.#options.saveFreq === undefined || this.#options.saveFreq === 'epoch') await this.#save(logs, logs)
  }

  async #save(names: Logs, logs: Logs): Promise<void> {
    const path = formatPath(this.#path, { epoch: this.#epoch + 1, ...names })
    if (!this.#isWanted(logs, path)) return
    if (dirname(path) !== '.') makeFolder(dirname(path))
    if (this.#options.saveWeightsOnly === true) await saveWeights(this.model, path)
    else await saveModel(this.model, path)
    this.#tell(`finished saving model to ${path}`)
  }

  #tell(what: string): void {
    if (this.verbose > 0) output.write(`\nEpoch ${this.#epoch + 1}: ${what}\n`)
  }

  #isWanted(logs: Logs, path: string): boolean {
    if (this.#options.saveBestOnly !== true) {
      this.#tell(`saving model to ${path}`)
      return true
    }
    const value = this.watched(logs, 'ModelCheckpoint saves the best by')
    if (value === undefined) return true
    const before = this.#best === null ? 'None' : fixed(this.#best, 5)
    if (!this.isBetter(value, this.#best)) {
      this.#tell(`${this.monitor} did not improve from ${before}`)
      return false
    }
    this.#tell(`${this.monitor} improved from ${before} to ${fixed(value, 5)}, saving model to ${path}`)
    this.#best = value
    return true
  }
}

/** `{epoch:02d}` and `{val_loss:.2f}` of a path. Throws LenetError for a name that logs do not have, and for other formats. */
function formatPath(path: string, values: Logs): string {
  const fail = (what: string): never => {
    throw new LenetError(`Failed to format this callback filepath: "${path}". ${what}`)
  }
  return path.replace(/\{([^{}:]*)(?::([^{}]*))?\}/g, (field, name: string, spec = '') => {
    const value = values[name]
    if (value === undefined) return fail(`There is no '${name}', only ${Object.keys(values).join(', ')}`)
    const isWhole = name === 'epoch' || name === 'batch'
    return formatted(value, spec, isWhole) ?? fail(`${field} has a format that is not known here`)
  })
}

export interface BackupAndRestoreOptions {
  /** 'epoch' (default), or batches between two savings. */
  readonly saveFreq?: 'epoch' | number
  /** Takes the backup away when training ends; default true. */
  readonly deleteCheckpoint?: boolean
}

/**
 * Saves weights, optimizer and epoch in a folder, and goes on from there when training was broken off.
 * Source: keras.callbacks.BackupAndRestore.
 */
export class BackupAndRestore extends Callback {
  readonly #folder: string
  readonly #options: BackupAndRestoreOptions
  readonly #count: BatchCount
  #epoch = 0
  #batch = 0

  constructor(backupDir: string, options: BackupAndRestoreOptions = {}) {
    super()
    expectOptions('BackupAndRestore', options, ['saveFreq', 'deleteCheckpoint'])
    if (backupDir === '') throw new UsageError('Empty `backupDir` argument passed')
    this.#folder = backupDir
    this.#options = options
    this.#count = new BatchCount(options.saveFreq ?? 'epoch')
  }

  get #weights(): string {
    return join(this.#folder, 'latest.weights.h5')
  }

  get #metadata(): string {
    return join(this.#folder, 'training_metadata.json')
  }

  override async onTrainBegin(): Promise<void> {
    if (isThere(this.#weights)) await loadWeights(this.model, this.#weights)
    if (!isThere(this.#metadata)) return
    const { epoch } = this.#read()
    this.#epoch = epoch
    this.model.startEpoch = epoch
  }

  #read(): { epoch: number } {
    try {
      const found: unknown = JSON.parse(readFileSync(this.#metadata, 'utf8'))
      const epoch = typeof found === 'object' && found !== null && 'epoch' in found ? found.epoch : undefined
      if (typeof epoch === 'number' && Number.isInteger(epoch) && epoch >= 0) return { epoch }
    } catch (error) {
      if (!isError(error, 'SyntaxError')) throw fileError(error, this.#metadata, 'read')
    }
    throw new LenetError(`${this.#metadata} is no backup of a training: delete the folder to begin anew`)
  }

  override async onEpochEnd(epoch: number): Promise<void> {
    this.#epoch = epoch + 1
    this.#batch = 0
    if (this.#options.saveFreq === undefined || this.#options.saveFreq === 'epoch') await this.#save()
  }

  override onTrainBatchEnd(batch: number): Told {
    this.#batch = batch
    return this.#count.isDue(batch) ? this.#save() : undefined
  }

  async #save(): Promise<void> {
    makeFolder(this.#folder)
    await saveWeights(this.model, this.#weights)
    writeFileAtomicSync(this.#metadata, JSON.stringify({ epoch: this.#epoch, batch: this.#batch }))
  }

  override onTrainEnd(): void {
    if (this.#options.deleteCheckpoint !== false) rmSync(this.#folder, { recursive: true, force: true })
  }
}
