/** What both idioms' trainings have in common: the folder, the last lines. Not here: the trainings (train.ts, trainKeras.ts). */
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { fileError, makeFolder } from '../base/fs.node.js'
import { load } from '../nn/save.node.js'
import { CheckpointReader, type DoneEvent, type EpochFigures, type RunSettings } from '../train/index.js'
import type { DeviceWatch } from './deviceFlags.js'
import { count, type Output } from './output.js'
import { writePicture } from './pictureOut.js'
import { checkpointIn, checkSettings } from './trainFlags.js'

/** Makes the folder, and finds out now, not after the first epoch, whether files can be written there. */
export function openFolder(folder: string): void {
  try {
    makeFolder(folder)
    accessSync(folder, constants.W_OK)
  } catch (error) {
    throw fileError(error, folder)
  }
}

/** What a training goes on from. */
export interface Checkpoint {
  readonly reader: CheckpointReader
  readonly path: string
}

/** The checkpoint in the folder of --resume, if that is given; made with other flags it is refused before anything is done. */
export function openCheckpoint(folder: string | undefined, settings: RunSettings): Checkpoint | undefined {
  if (folder === undefined) return undefined
  const path = checkpointIn(folder)
  const reader = new CheckpointReader(load(path), path)
  checkSettings(reader.settings(), settings, path)
  return { reader, path }
}

export interface Ending {
  readonly trainAccuracy: number
  readonly testAccuracy: number
  readonly seconds: number
  /** NaN where no step was made. */
  readonly medianStepMs: number
  /** The saved model's path. */
  readonly model: string
}

/** The last lines of a training, and its last event. */
export function tellDone(output: Output, device: DeviceWatch, ending: Ending): void {
  const { trainAccuracy, testAccuracy, seconds, medianStepMs } = ending
  const percent = (share: number): string => (100 * share).toFixed(1)
  output.text(`Train Accuracy: ${percent(trainAccuracy)}%, Test Accuracy: ${percent(testAccuracy)}%`)
  const { tier: name, threads } = device
  // A run that was done before it was resumed makes no step.
  const step = Number.isNaN(medianStepMs) ? 'no step' : `${medianStepMs.toFixed(2)} ms a step (median)`
  output.text(`${seconds.toFixed(1)} seconds in all, ${step} on device ${name}, ${count(threads, 'thread')}`)
  const means = { trainAccuracy, testAccuracy, seconds, medianStepMs: Number.isNaN(medianStepMs) ? 0 : medianStepMs }
  const done: DoneEvent = { event: 'done', ...means, device: name, threads, model: ending.model }
  output.event(done)
}

/** `curves.svg` and `curves.png` of the epochs in the folder; tells the path. Nothing where no epoch was trained. */
export async function drawCurves(
  output: Output,
  folder: string,
  title: string,
  epochs: readonly EpochFigures[],
): Promise<void> {
  if (epochs.length === 0) return
  const { trainingCurves } = await import('../report/index.js')
  const svg = trainingCurves(title, epochs)
  for (const name of ['curves.svg', 'curves.png']) await writePicture(join(folder, name), svg)
  output.text(`curves: ${join(folder, 'curves.png')}`)
}
