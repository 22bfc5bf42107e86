/** `lenet evaluate`, `lenet summary`, `lenet data`. */
import { LenetError, UsageError } from '../base/index.js'
import type { ImageDataset } from '../data/index.js'
import { formatTable } from '../report/index.js'
import { manualSeed } from '../tensor/index.js'
import { evaluateNet, type EvaluateEvent, type Evaluation, type Net } from '../train/index.js'
import { fetchData, loadSet, type DataOptions } from './dataSets.js'
import { checkDevice, useDevice, type DeviceFlags } from './deviceFlags.js'
import { isFileOfWeights, loadNet, makerOf } from './models.js'
import { createOutput, type Output } from './output.js'
import { checkIdiom } from './trainFlags.js'

export interface EvaluateOptions extends DataOptions, DeviceFlags {
  readonly model?: string
  readonly split: string
  readonly limitTest?: number
  readonly json?: boolean
}

export async function evaluateCommand(path: string, options: EvaluateOptions): Promise<void> {
  if (!['train', 'test'].includes(options.split))
    throw new UsageError(`--split ${options.split}: there are train and test`)
  checkDevice(options)
  const output = createOutput(options.json === true)
  const device = useDevice(options, output)
  const { net, name } = await loadNet(path, options.model)
  const set = await output.task('get the data', () =>
    loadSet(output, options, options.split === 'train', options.limitTest),
  )
  checkClasses(path, net, set)
  const { loss, accuracy, count } = await output.task(`evaluate ${name}`, () => evaluateWithProgress(output, net, set))
  device.tell()
  output.text(`${options.split} accuracy: ${(100 * accuracy).toFixed(2)}%, loss: ${loss.toFixed(4)}, ${count} pictures`)
  const done: EvaluateEvent = { event: 'done', testAccuracy: accuracy, testLoss: loss, count }
  output.event(done)
}

async function evaluateWithProgress(output: Output, net: Net, set: ImageDataset): Promise<Evaluation> {
  const progress = output.progress({ label: 'evaluate' })
  const found = await evaluateNet(net, set, (done, of) => progress.update(done, undefined, of))
  progress.clear()
  return found
}

/** A label that the net has no output for would not be counted wrong but read as nothing. */
function checkClasses(path: string, net: Net, set: ImageDataset): void {
  const outputs = [...net.parameters()].at(-1)?.shape[0]
  if (outputs !== undefined && outputs !== set.classes.length)
    throw new LenetError(
      `${path} tells ${outputs} classes apart, the data has ${set.classes.length}: ${set.classes.join(', ')}`,
    )
}

/** The net as PyTorch prints it, and its parameters in a table. */
export async function summaryCommand(
  what: string,
  options: { idiom: string; json?: boolean; model?: string },
): Promise<void> {
  checkIdiom(options.idiom)
  const output = createOutput(options.json === true)
  const net = await netOf(what, options.model)
  const rows = [...net.namedParameters()].map(([name, { shape }]) => ({
    name,
    shape,
    count: shape.reduce((a, b) => a * b, 1),
  }))
  const total = rows.reduce((sum, { count }) => sum + count, 0)
  output.text(String(net))
  output.text('')
  const cells = rows.map(({ name, shape, count }) => [name, `[${shape.join(', ')}]`, count.toLocaleString('en')])
  output.text(
    formatTable([...cells, ['all', '', total.toLocaleString('en')]], {
      header: ['parameter', 'shape', 'count'],
      align: ['left', 'left', 'right'],
    }),
  )
  output.event({ event: 'summary', parameters: rows, total })
}

async function netOf(what: string, model: string | undefined): Promise<Net> {
  manualSeed(0)
  if (isFileOfWeights(what)) return (await loadNet(what, model)).net
  return (await makerOf(what))(3, 10)
}

export async function dataCommand(
  name: string,
  options: { dir?: string; verify?: boolean; json?: boolean },
): Promise<void> {
  const output = createOutput(options.json === true)
  const { folder, source } = await fetchData(output, {
    data: name,
    dataDir: options.dir,
    verify: options.verify === true,
  })
  output.text(`${name} is in ${folder} (from: ${source}), verified`)
  output.event({ event: 'done', folder, source })
}
