/**
 * For check_steps.py: `steps.js FOLDER STEPS NAME…` does each step of a run of Keras again, from the weights that Keras had
 * before it (NAME.bin: a row of weights before each step, and one after the last). ours.json: the losses, and for SGD how
 * far the weights after each step are from Keras's; Adam's have a state that the rows do not tell.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { losses, type OptimizerName, type Sequential } from '../../../src/keras/index.js'
import { lenet } from '../../../src/models/lenetKeras.js'
import { lenet1 } from '../../../src/models/lenet1Keras.js'
import { fromArray, type Tensor } from '../../../src/tensor/index.js'

const nets = { lenet, lenet1 } as const
const [folder, count, ...names] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node steps.js FOLDER STEPS NAME…')
const steps = Number(count)

function floatsOf(name: string): Float32Array<ArrayBuffer> {
  const bytes = readFileSync(join(folder ?? '', name))
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

const all = new Uint8Array(readFileSync(join(folder, 'pictures.bin')))
const labels = Int32Array.from(readFileSync(join(folder, 'labels.bin')))
const batch = labels.length / steps

function batchOf(step: number): [Tensor, Tensor] {
  const size = batch * 32 * 32 * 3
  const pictures = Float32Array.from(all.subarray(step * size, (step + 1) * size), (byte) => byte / 255)
  const x = fromArray(pictures, [batch, 32, 32, 3], 'f32')
  return [x, fromArray(labels.slice(step * batch, (step + 1) * batch), [batch], 'i32')]
}

function setRow(model: Sequential, row: Float32Array<ArrayBuffer>): void {
  let at = 0
  model.setWeights(model.weights.map(({ size }) => row.slice(at, (at += size))))
}

/** The largest difference of all weights. */
function distance(model: Sequential, row: Float32Array): number {
  const values = model.weights.flatMap((weight) => Array.from(weight.get().toTypedArray()))
  return values.reduce((most, value, i) => Math.max(most, Math.abs(value - (row[i] ?? NaN))), 0)
}

async function repeat(name: string): Promise<{ losses: number[]; weights: number[] | null }> {
  const [net = '', optimizer = 'adam'] = name.split(' ') as [string, OptimizerName]
  const model = nets[net as keyof typeof nets](3, 10)
  model.compile({ optimizer, loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
  const rows = floatsOf(`${name}.bin`)
  const row = (step: number): Float32Array<ArrayBuffer> =>
    rows.slice(step * model.countParams(), (step + 1) * model.countParams())
  const [found, moved]: [number[], number[]] = [[], []]
  for (let step = 0; step < steps; step++) {
    setRow(model, row(step))
    const { history } = await model.fit(...batchOf(step), { batchSize: batch, shuffle: false, verbose: 0 })
    found.push(history['loss']?.[0] ?? NaN)
    if (optimizer === 'sgd') moved.push(distance(model, row(step + 1)))
  }
  return { losses: found, weights: optimizer === 'sgd' ? moved : null }
}

const results: Record<string, unknown> = {}
for (const name of names) results[name] = await repeat(name)
writeFileSync(join(folder, 'ours.json'), JSON.stringify(results))
