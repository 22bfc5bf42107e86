/** `lenet summary NET --plot FILE`: the picture of a net's structure. Not here: the tables (inspect.ts). */
import { basename, resolve } from 'node:path'
import { clearSession, loadModel } from '../keras/index.node.js'
import { netOfModule } from '../nn/index.js'
import { structurePicture, type NetStage } from '../report/index.js'
import { kerasMakerOf } from './kerasNets.js'
import { formats } from '../files/index.js'
import { readModel } from './modelFiles.js'
import { isFileOfWeights, makerOf } from './models.js'
import { createOutput } from './output.js'
import { writePicture } from './pictureOut.js'
import { stagesOfKeras, stagesOfNet } from './netStages.js'

export interface PlotOptions {
  readonly plot: string
  readonly idiom?: string
  readonly model?: string
  readonly json?: boolean
}

const titles: Readonly<Record<string, string>> = { lenet: 'LeNet', lenet1: 'LeNet1' }

/** Draws the net into the file and tells its path. */
export async function plotCommand(what: string, options: PlotOptions): Promise<void> {
  const output = createOutput(options.json === true)
  const { name, stages } = await stagesOf(what, options)
  const total = stages.reduce((sum, { parameters }) => sum + parameters, 0)
  await writePicture(options.plot, structurePicture(`${name}: ${total.toLocaleString('en')} parameters`, stages))
  output.text(`structure: ${resolve(options.plot)}`)
  output.event({ event: 'plot', picture: resolve(options.plot) })
}

async function stagesOf(what: string, { idiom, model }: PlotOptions): Promise<{ name: string; stages: NetStage[] }> {
  const title = titles[what] ?? basename(what)
  clearSession() // layers are counted anew, whatever was made before
  if (!isFileOfWeights(what)) {
    if (idiom === 'keras') return { name: title, stages: stagesOfKeras((await kerasMakerOf(what))(3, 10)) }
    const net = (await makerOf(what))(3, 10)
    return { name: title, stages: stagesOfNet(netOfModule(net, [3, 32, 32], what), what) }
  }
  const read = await readModel(what, model)
  const { bare, family } = formats[read.format]
  if (family === 'keras' && !bare && read.format !== 'tfjs') {
    const keras = await loadModel(what, { compile: false }).catch(() => undefined) // no row of layers: the graph below
    if (keras?.built === true && keras.connections === null) return { name: title, stages: stagesOfKeras(keras) }
  }
  return { name: title, stages: stagesOfNet(read.netFile(), what) }
}
