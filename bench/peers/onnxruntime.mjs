/** onnxruntime-node's logits of the article's nets, on the CPU; a participant process of its own. */
import { readFileSync } from 'node:fs'
import ort from 'onnxruntime-node'
import { participate } from '../../dist/src/bench/answering.node.js'
import { onnxModel } from './onnx.mjs'

async function make({ layers, batch, threads }) {
  const session = await ort.InferenceSession.create(onnxModel(layers), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionProviders: ['cpu'],
  })
  const pictures = Float32Array.from({ length: batch * 3072 }, () => 2 * Math.random() - 1)
  const x = new ort.Tensor('float32', pictures, [batch, 3, 32, 32])
  const step = async () => void (await session.run({ x })).y.data[0]
  const { version } = JSON.parse(readFileSync(new URL('./node_modules/onnxruntime-node/package.json', import.meta.url)))
  return { step, facts: { 'onnxruntime-node': version } }
}

await participate(make)
