/** What a training replaces in its folder: told, never asked. Not here: writing it (train.ts, trainKeras.ts). */
import { existsSync, statSync } from 'node:fs'
import { relative } from 'node:path'
import { LenetError } from '../base/index.js'
import { load } from '../nn/save.node.js'
import { CheckpointReader, type RunSettings } from '../train/index.js'
import { count, type Output } from './output.js'
import { checkpointIn } from './trainFlags.js'

/** 14:02 of today, else with its day. */
function timeOf(path: string): string {
  const { mtime } = statSync(path)
  const two = (n: number): string => String(n).padStart(2, '0')
  const day = (date: Date): string => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const time = `${two(mtime.getHours())}:${two(mtime.getMinutes())}`
  return day(mtime) === day(new Date()) ? time : `${day(mtime)} ${time}`
}

/** What the checkpoint beside it tells of a run of the same net: epochs, and the last accuracy. '' where it tells nothing. */
function figuresOf(folder: string, { model, idiom }: RunSettings): string {
  try {
    const path = checkpointIn(folder)
    const reader = new CheckpointReader(load(path), path)
    const settings = reader.settings()
    const last = reader.history().at(-1)
    if (settings.model !== model || settings.idiom !== idiom || !last) return ''
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
    const accuracy =
      last.valAccuracy === undefined ? `${percent(last.accuracy)} in training` : `${percent(last.valAccuracy)} test`
    return ` (${count(last.epoch, 'epoch')}, ${accuracy})`
  } catch (error) {
    if (error instanceof LenetError) return '' // there is none, or it is not ours
    throw error
  }
}

/** One line where an earlier run's model lies there, or the checkpoint of one that was stopped. Nothing is changed yet. */
export function tellReplaced(output: Output, folder: string, model: string, settings: RunSettings): void {
  const checkpoint = checkpointIn(folder)
  const path = [model, checkpoint].find((file) => existsSync(file))
  if (path === undefined || output.json) return
  const near = relative('', path)
  const shown = near.startsWith('..') ? path : near
  const goOn = path === checkpoint ? '; --resume goes on with it instead' : ''
  output.info(`replaces ${shown} of ${timeOf(path)}${figuresOf(folder, settings)}${goOn}`)
}
