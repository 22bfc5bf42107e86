/**
 * `lenet predict`: pictures through a saved net, a batch at a time; what cannot be read is told and the others go on.
 * Not here: the net's part (classifier), class names (classNames.ts), files to bytes (pictureFiles.ts).
 */
import { LenetError, UsageError } from '../base/index.js'
import { batchSize, formOfFile, Forward, inParallel, topOf, type InputForm, type Prediction } from '../classifier.js'
import { checkChannels, shownPreprocessing, type ModelFile } from '../files/index.js'
import type { NetPreprocessing } from '../formats/index.js'
import { PredictionTable } from '../report/index.js'
import { classNames, type ClassNames, type NameFlags } from './classNames.js'
import { checkDevice, useDevice, type DeviceFlags, type DeviceWatch } from './deviceFlags.js'
import { readModel } from './modelFiles.js'
import { count, createOutput, type Output } from './output.js'
import { fits, isFit, listPictures, readPicture, type ReadPicture } from './pictureFiles.js'
import { normalizeFlag } from './normalizeFlag.js'

export interface PredictOptions extends DeviceFlags, NameFlags {
  readonly model?: string
  readonly top?: number
  readonly fit: string
  /** How bytes become numbers, where the file and its family do not tell it right. */
  readonly normalize?: string
  readonly json?: boolean
}

/** Classes told of each picture; in the table of several pictures one. */
const usualTop = 5

export async function predictCommand(path: string, arguments_: string[], options: PredictOptions): Promise<void> {
  const start = performance.now()
  checkDevice(options)
  if (!isFit(options.fit)) throw new UsageError(`--fit ${options.fit}: there are ${fits.join(', ')}`)
  const output = createOutput(options.json === true)
  const device = useDevice(options, output)
  const model = await readModel(path, options.model)
  model.notices.forEach((line) => output.notice(line))
  const preprocessing = options.normalize === undefined ? model.preprocessing : normalizeFlag(options.normalize)
  const forward = new Forward(model.net, formOf(model, preprocessing), model.activation)
  const names = await classNames(model, options, forward.form.channels, classesOf(model, forward))
  const job = new PredictJob(output, forward, names, options, await listPictures(arguments_))
  await job.run()
  job.finish(start, device, shownPreprocessing(preprocessing))
}

/** What the net takes. */
function formOf(model: ModelFile, preprocessing: NetPreprocessing): InputForm {
  const form = formOfFile({ ...model, preprocessing })
  checkChannels(preprocessing, form.channels, model.path)
  return form
}

/** How many classes the net tells apart: a black picture shows whether it takes our pictures at all. */
function classesOf({ path, net }: ModelFile, forward: Forward): number {
  const { channels, size } = forward.form
  try {
    return forward.run(new Uint8Array(forward.pictureBytes))[0]?.length ?? 0
  } catch (error) {
    if (!(error instanceof LenetError)) throw error
    const what = `${net.constructor.name} cannot classify pictures of ${channels}×${size}×${size}`
    throw new LenetError(`${path}: ${what}: ${error.message}`, { cause: error })
  }
}

type Found = ReadPicture | { readonly path: string; readonly error: LenetError }

class PredictJob {
  readonly #output: Output
  readonly #forward: Forward
  readonly #names: ClassNames
  readonly #options: PredictOptions
  readonly #paths: readonly string[]
  readonly #table: PredictionTable
  /** Sides so different that much of the picture is not seen, of pictures that are cut. */
  readonly #cut: ReadPicture[] = []
  #done = 0
  #failed = 0

  constructor(output: Output, forward: Forward, names: ClassNames, options: PredictOptions, paths: readonly string[]) {
    this.#output = output
    this.#forward = forward
    this.#names = names
    this.#options = options
    this.#paths = paths
    const columns = process.stdout.isTTY ? process.stdout.columns : undefined
    this.#table = new PredictionTable({ pictures: paths, classes: names.list, columns })
  }

  async run(): Promise<void> {
    const paths = this.#paths
    const progress = this.#output.progress({ total: paths.length, label: 'pictures' })
    for (let i = 0; i < paths.length; i += batchSize) {
      const found = await inParallel(paths.slice(i, i + batchSize), (path) => this.#read(path))
      this.#tell(found)
      if (paths.length > batchSize) progress.update(Math.min(i + batchSize, paths.length))
    }
    progress.clear()
  }

  async #read(path: string): Promise<Found> {
    const { fit } = this.#options
    try {
      return await readPicture(path, this.#forward.form, {
        fit: isFit(fit) ? fit : 'cover',
        digits: this.#names.digits,
      })
    } catch (error) {
      if (error instanceof LenetError) return { path, error }
      throw error
    }
  }

  /** One run of the net for all pictures of a batch that could be read; results in the order given. */
  #tell(found: readonly Found[]): void {
    const good = found.filter((picture) => 'pixels' in picture)
    const size = this.#forward.pictureBytes
    const pixels = new Uint8Array(good.length * size)
    good.forEach((picture, i) => pixels.set(picture.pixels, i * size))
    const rows = good.length > 0 ? this.#forward.run(pixels) : []
    let next = 0
    for (const picture of found) {
      const row = 'pixels' in picture ? rows[next++] : undefined
      if (row && 'pixels' in picture) this.#told(picture, row)
      else if ('error' in picture) this.#fail(picture.error, picture.path)
    }
  }

  #told(picture: ReadPicture, row: Float32Array): void {
    if (this.#done++ === 0) this.#output.text(this.#table.header())
    if (picture.isCut) this.#cut.push(picture)
    const { top } = this.#options
    const most = top ?? (this.#paths.length > 1 && !this.#output.json ? 1 : usualTop)
    const told: Prediction[] = topOf(row, this.#names.list, most)
    this.#output.text(this.#table.rows(picture.path, told))
    this.#output.event({ event: 'prediction', picture: picture.path, top: told })
  }

  #fail(error: LenetError, picture: string): void {
    this.#failed++
    this.#output.event({ event: 'failed', picture, message: error.message })
    this.#output.error(error.message)
  }

  /** The last lines. A picture that failed makes the command fail. */
  finish(start: number, device: DeviceWatch, scaling: string): void {
    const seconds = (performance.now() - start) / 1000
    this.#hint()
    device.tell()
    const [done, { tier, threads }] = [this.#done, device]
    const { source: classes, guessed } = this.#names
    if (done > 0) {
      const failures = this.#failed > 0 ? `, ${this.#failed} could not be read` : ''
      const where = `on ${tier}, ${count(threads, 'thread')}`
      this.#output.text(`${count(done, 'picture')} in ${seconds.toFixed(2)} s ${where}${failures}`)
      const guess = guessed ? ' (a guess: --data or --classes tells them)' : ''
      this.#output.text(`class names: ${classes}${guess}; pictures went in as ${scaling}`)
    }
    this.#output.event({ event: 'done', count: done, failed: this.#failed, seconds, device: tier, threads, classes })
    if (this.#failed > 0) process.exitCode = 1
  }

  #hint(): void {
    const [first] = this.#cut
    if (!first) return
    const others = this.#cut.length > 1 ? `${this.#cut.length} pictures, such as ` : ''
    this.#output.notice(
      `${others}${first.path} (${first.width}×${first.height}): only the middle was looked at; --fit contain takes the whole picture`,
    )
  }
}
