/**
 * Writes nets with branches into the folder given, for check_branches.py: as .keras, .h5 and .weights.h5, from modules, from
 * ONNX and from Keras' idiom, with their logits for two pictures. Called with `read`, it reads what Keras wrote of them there
 * (NAME.theirs.keras …) and compares.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, noGrad, saveModel, torch } from '../../../src/index.js'
import type { Tensor } from '../../../src/index.js'
import * as keras from '../../../src/keras/index.node.js'
import { Branches, kerasBranches, knownNets, randomSteps } from './branchNets.js'

const [, , folder = '.', what] = process.argv
const random = 6
const values = Float32Array.from({ length: 384 }, (_, i) => Math.sin(i * 0.7))
const x = torch.tensor(values, { shape: [2, 3, 8, 8] })
const logitsOf = (net: (x: Tensor) => Tensor): number[] => Array.from(noGrad(() => net(x)).toTypedArray())

const nets = [
  ...Object.entries(knownNets),
  ...Array.from({ length: random }, (_, i) => [`random${i}`, randomSteps(i)] as const),
]
const told: Record<string, number[]> = {}
const endings = ['keras', 'h5', 'weights.h5']
const at = (name: string): string => join(folder, name)

async function writeModule(name: string, net: Branches): Promise<void> {
  for (let i = 0; i < 3; i++) noGrad(() => net(x)).toTypedArray() // running statistics of its own
  net.eval()
  const options = { inputShape: [3, 8, 8], preprocessing: 'keras' } as const
  await saveModel(net, at(`${name}.onnx`), options)
  const onnx = await loadModel(at(`${name}.onnx`))
  for (const ending of endings) {
    await saveModel(net, at(`${name}.${ending}`), options)
    await saveModel(onnx, at(`${name}_onnx.${ending}`))
  }
  told[name] = told[`${name}_onnx`] = logitsOf(net)
}

async function writeKeras(name: string, model: keras.Model): Promise<void> {
  const weights = model.weights.map(({ name: weight, shape }, i) => {
    const size = shape.reduce((product, side) => product * side, 1)
    const around = weight === 'moving_variance' || weight === 'gamma' ? 1 : 0
    return torch.tensor(
      Float32Array.from({ length: size }, (_, k) => around + 0.4 * Math.sin(k * 1.3 + i)),
      { shape: [...shape] },
    )
  })
  model.setWeights(weights)
  for (const ending of endings) await saveModel(model, at(`${name}.${ending}`))
  told[name] = Array.from((await model.predict(x.permute(0, 2, 3, 1), { verbose: 0 })).toTypedArray())
}

async function write(): Promise<void> {
  torch.manualSeed(1)
  for (const [name, steps] of nets) {
    await writeModule(name, new Branches(steps))
    keras.clearSession()
    await writeKeras(`${name}_idiom`, kerasBranches(steps))
  }
  writeFileSync(at('logits.json'), JSON.stringify(told))
}

/** Keras's own files of the same nets; weights alone go into the net of the ONNX file or of the .keras. */
async function read(): Promise<void> {
  const wanted: Record<string, number[]> = JSON.parse(readFileSync(at('logits.json'), 'utf8'))
  let [worst, count] = [0, 0]
  for (const [name, logits] of Object.entries(wanted)) {
    const onnx = at(`${name.replace(/_onnx$/, '')}.onnx`)
    for (const ending of endings) {
      const path = at(`${name}.theirs.${ending}`)
      const model = existsSync(onnx) ? onnx : at(`${name}.keras`)
      const { net } = await loadModel(path, ending === 'weights.h5' || ending === 'keras' ? { model } : {})
      net.eval()
      const off = Math.max(...logitsOf(net).map((value, i) => Math.abs(value - (logits[i] ?? Number.NaN))))
      if (!(off <= 1e-5 * Math.max(1, ...logits.map(Math.abs)))) throw new Error(`${path}: the logits differ by ${off}`)
      worst = Math.max(worst, off)
      count++
    }
  }
  console.log(`ours reads ${count} files by Keras: ${worst.toExponential(1)}`)
}

await (what === 'read' ? read() : write())
