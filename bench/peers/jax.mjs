/**
 * jax-js's training step of the article's nets on its WebAssembly backend, with all its cores: one jitted function of
 * gradients and Adam. Its own convolution is slower, so convolutions are written as matrix products of picture patches
 * here. A participant process of its own.
 */
import { defaultDevice, init, jit, nn, numpy as np, random, valueAndGrad } from '@jax-js/jax'
import { readFileSync } from 'node:fs'
import { participate } from '../../dist/src/bench/answering.node.js'

const [beta1, beta2, epsilon, rate] = [0.9, 0.999, 1e-8, 1e-3]

/** x [N, H, W, C] → [N·OH·OW, K·K·C]. Every use of an array but its last takes a reference, as jax-js asks for. */
function patches(x, kernel) {
  const [n, height, width, channels] = x.shape
  const [oh, ow] = [height - kernel + 1, width - kernel + 1]
  const parts = []
  for (let ky = 0; ky < kernel; ky++)
    for (let kx = 0; kx < kernel; kx++) parts.push(x.ref.slice([], [ky, ky + oh], [kx, kx + ow], []))
  x.dispose()
  return np.concatenate(parts, 3).reshape([n * oh * ow, kernel * kernel * channels])
}

function conv({ kernel, out, pool }, x, w, b) {
  const [n, height, width] = x.shape
  const [oh, ow] = [height - kernel + 1, width - kernel + 1]
  const y = nn.relu(np.matmul(patches(x, kernel), w).add(b)).reshape([n, oh, ow, out])
  if (!pool) return y
  const [ph, pw] = [oh >> 1, ow >> 1]
  const even = y.slice([], [0, 2 * ph], [0, 2 * pw], [])
  return np.max(even.reshape([n, ph, 2, pw, 2, out]), [2, 4])
}

function forward(layers, weights, x) {
  layers.forEach((layer, i) => {
    const [w, b] = [weights[2 * i], weights[2 * i + 1]]
    if (layer.op === 'conv') x = conv(layer, x, w, b)
    else {
      if (x.shape.length > 2) x = x.reshape([x.shape[0], layer.in])
      x = np.matmul(x, w).add(b)
      if (layer.relu) x = nn.relu(x)
    }
  })
  return x
}

/** [value, weight, mean, square] after a step of Adam. `t1`, `t2`: 1 - β^t. */
function adam(w, g, m, v, t1, t2) {
  const mean = m.mul(beta1).add(g.ref.mul(1 - beta1))
  const square = v.mul(beta2).add(g.ref.mul(g).mul(1 - beta2))
  const change = mean.ref
    .div(t1)
    .mul(rate)
    .div(np.sqrt(square.ref.div(t2)).add(epsilon))
  return [w.sub(change), mean, square]
}

function weightsOf(layers) {
  return layers.flatMap((layer, i) => {
    const shape = layer.op === 'conv' ? [layer.kernel ** 2 * layer.in, layer.out] : [layer.in, layer.out]
    const bound = 1 / Math.sqrt(shape[0])
    return [random.uniform(random.key(i), shape, { minval: -bound, maxval: bound }), np.zeros([layer.out])]
  })
}

async function make({ layers, batch }) {
  await init('wasm')
  defaultDevice('wasm')
  const pictures = random.uniform(random.key(100), [batch, 32, 32, 3], { minval: -1, maxval: 1 })
  const labels = nn.oneHot(
    np.array(
      Array.from({ length: batch }, (_, i) => i % 10),
      { dtype: np.int32 },
    ),
    10,
  )
  const lossOf = (weights, x, y) => np.sum(nn.logSoftmax(forward(layers, weights, x)).mul(y)).mul(-1 / batch)
  const whole = jit((weights, means, squares, t1, t2, x, y) => {
    const [loss, gradients] = valueAndGrad(lossOf)(
      weights.map((w) => w.ref),
      x,
      y,
    )
    const next = weights.map((w, i) => adam(w, gradients[i], means[i], squares[i], t1.ref, t2.ref))
    t1.dispose()
    t2.dispose()
    return [loss, next.map((n) => n[0]), next.map((n) => n[1]), next.map((n) => n[2])]
  })
  let weights = weightsOf(layers)
  let [means, squares] = [0, 1].map(() => weights.map((w) => np.zeros(w.shape)))
  let turn = 0
  const step = async () => {
    turn++
    let loss
    const corrections = [np.array(1 - beta1 ** turn), np.array(1 - beta2 ** turn)]
    ;[loss, weights, means, squares] = whole(weights, means, squares, ...corrections, pictures.ref, labels.ref)
    await loss.data()
  }
  const { version } = JSON.parse(
    readFileSync(new URL('./node_modules/@jax-js/jax/package.json', import.meta.url), 'utf8'),
  )
  return { step, facts: { 'jax-js': version } }
}

await participate(make)
