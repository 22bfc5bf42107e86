/**
 * TensorFlow.js's training step of the article's nets; mode: cpu or wasm. As published, its wasm backend has no gradient of
 * a convolution's filter, so it gets one here, of slices and matrix products. A participant process of its own.
 */
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import { participate } from '../../dist/src/bench/answering.node.js'

/** dW [K, K, in, out] of a convolution of stride 1 without padding: a product of matrices for each place in the kernel. */
function filterGradient(x, dy, kernel) {
  const [n, , , channels] = x.shape
  const [, height, width, out] = dy.shape
  const rows = dy.reshape([n * height * width, out])
  const places = []
  for (let ky = 0; ky < kernel; ky++)
    for (let kx = 0; kx < kernel; kx++) {
      const part = x.slice([0, ky, kx, 0], [n, height, width, channels]).reshape([n * height * width, channels])
      places.push(part.matMul(rows, true, false))
    }
  return tf.stack(places).reshape([kernel, kernel, channels, out])
}

const convWithGradient = tf.customGrad((x, w, save) => {
  save([x, w])
  const gradient = (dy, [x, w]) => [tf.conv2dTranspose(dy, w, x.shape, 1, 'valid'), filterGradient(x, dy, w.shape[0])]
  return { value: tf.conv2d(x, w, 1, 'valid'), gradFunc: gradient }
})

function weightsOf(layers) {
  return layers.map((layer) => {
    const shape = layer.op === 'conv' ? [layer.kernel, layer.kernel, layer.in, layer.out] : [layer.in, layer.out]
    const bound = 1 / Math.sqrt(shape.slice(0, -1).reduce((a, b) => a * b))
    return [tf.variable(tf.randomUniform(shape, -bound, bound)), tf.variable(tf.zeros([layer.out]))]
  })
}

function forward(layers, weights, conv, x) {
  layers.forEach((layer, i) => {
    const [w, b] = weights[i]
    if (layer.op === 'conv') {
      x = conv(x, w).add(b).relu()
      if (layer.pool) x = x.maxPool(2, 2, 'valid')
      return
    }
    if (x.rank > 2) x = x.reshape([x.shape[0], -1])
    x = x.matMul(w).add(b)
    if (layer.relu) x = x.relu()
  })
  return x
}

async function make({ mode, layers, batch }) {
  const folder = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))
  setWasmPaths(folder + sep)
  if (!(await tf.setBackend(mode))) throw new Error(`TensorFlow.js has no backend ${mode} here`)
  const conv = mode === 'wasm' ? convWithGradient : (x, w) => tf.conv2d(x, w, 1, 'valid')
  const weights = weightsOf(layers)
  const optimizer = tf.train.adam(1e-3)
  const pictures = tf.randomUniform([batch, 32, 32, 3], -1, 1)
  const labels = tf.oneHot(tf.randomUniform([batch], 0, 10, 'int32'), 10).cast('float32')
  const loss = () => tf.losses.softmaxCrossEntropy(labels, forward(layers, weights, conv, pictures))
  const step = () => tf.tidy(() => void optimizer.minimize(loss, true).dataSync())
  return { step, facts: { tfjs: tf.version.tfjs } }
}

await participate(make)
