/**
 * TensorFlow.js opens the layers models that we write with our logits, and we what it saves: run after `npm run build` by
 * `npm run test:tfjs`, or alone with a folder where @tensorflow/tfjs is installed: node check.mjs FOLDER
 * Not a test of node's runner, since the package is no dependency of ours.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const tf = createRequire(join(process.argv[2], 'package.json'))('@tensorflow/tfjs')
const compiled = join(import.meta.dirname, '../../../dist/test/formats/python')
const L = tf.layers

/** As peerNets.ts and keras_nets.py have them. */
const nets = {
  lenet: [
    L.conv2d({ inputShape: [32, 32, 3], filters: 6, kernelSize: 5, activation: 'relu', name: 'conv1' }),
    L.maxPooling2d({ poolSize: 2, name: 'pool1' }),
    L.conv2d({ filters: 16, kernelSize: 5, activation: 'relu', name: 'conv2' }),
    L.maxPooling2d({ poolSize: 2, name: 'pool2' }),
    L.flatten({ name: 'flat' }),
    L.dense({ units: 120, activation: 'relu', name: 'fc1' }),
    L.dense({ units: 84, activation: 'relu', name: 'fc2' }),
    L.dense({ units: 10, name: 'fc3' }),
  ],
  lenet1: [
    L.conv2d({ inputShape: [32, 32, 3], filters: 32, kernelSize: 3, activation: 'relu', name: 'conv1' }),
    L.maxPooling2d({ poolSize: 2, name: 'pool1' }),
    L.conv2d({ filters: 64, kernelSize: 3, activation: 'relu', name: 'conv2' }),
    L.maxPooling2d({ poolSize: 2, name: 'pool2' }),
    L.conv2d({ filters: 64, kernelSize: 3, activation: 'relu', name: 'conv3' }),
    L.flatten({ name: 'flat' }),
    L.dense({ units: 64, activation: 'relu', name: 'fc1' }),
    L.dense({ units: 10, name: 'fc2' }),
  ],
  norm: [
    L.conv2d({ inputShape: [32, 32, 3], filters: 8, kernelSize: 3, padding: 'same', useBias: false, name: 'conv1' }),
    L.batchNormalization({ name: 'bn1' }),
    L.reLU({ name: 'relu1' }),
    L.maxPooling2d({ poolSize: 2, name: 'pool1' }),
    L.conv2d({ filters: 12, kernelSize: 3, name: 'conv2' }),
    L.batchNormalization({ name: 'bn2' }),
    L.activation({ activation: 'relu', name: 'relu2' }),
    L.maxPooling2d({ poolSize: 2, name: 'pool2' }),
    L.flatten({ name: 'flat' }),
    L.dense({ units: 10, name: 'fc' }),
  ],
}

function node(script, folder) {
  const { status } = spawnSync(process.execPath, [join(compiled, `${script}.js`), folder], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`${script} failed`)
}

/** The four pictures of peerNets.ts, NHWC. */
function pictures() {
  const values = Float32Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => ((37 * i) % 101) / 101)
  return tf.transpose(tf.tensor(values, [4, 3, 32, 32]), [0, 2, 3, 1])
}

const logits = (model) => [...model.predict(pictures()).dataSync()]

/** TF.js's own reader of model.json and its shards; only the bytes come from a folder. */
function handler(folder) {
  const fetchFunc = async (url) => {
    const type = url.endsWith('.json') ? 'application/json' : 'application/octet-stream'
    return new Response(readFileSync(join(folder, basename(url))), { headers: { 'content-type': type } })
  }
  return tf.io.http('http://localhost/model.json', { fetchFunc })
}

async function checkOurs(folder) {
  node('writePeerFiles', folder)
  const wanted = JSON.parse(readFileSync(join(folder, 'logits.json'), 'utf8'))
  for (const name of Object.keys(nets)) {
    const got = logits(await tf.loadLayersModel(handler(join(folder, `${name}-tfjs`))))
    const difference = Math.max(...got.map((value, i) => Math.abs(value - wanted[name][i])))
    console.log(`TF.js ${name}: ${difference.toExponential(1)}`)
    if (got.length !== 40 || !(difference <= 1e-5)) throw new Error(`${name}: TF.js gives other logits: ${difference}`)
  }
}

/** Saves as TF.js's handlers for files and pages do. */
async function save(model, folder) {
  mkdirSync(folder)
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData, format, generatedBy }) => {
      const weightsManifest = [{ paths: ['weights.bin'], weights: weightSpecs }]
      writeFileSync(
        join(folder, 'model.json'),
        JSON.stringify({ format, generatedBy, convertedBy: null, modelTopology, weightsManifest }),
      )
      writeFileSync(join(folder, 'weights.bin'), new Uint8Array(weightData))
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } }
    }),
  )
}

async function checkTheirs(folder) {
  const files = []
  for (const [name, layers] of Object.entries(nets)) {
    const model = tf.sequential({ name, layers })
    for (const layer of layers) {
      if (!layer.name.startsWith('bn')) continue
      const [gamma, beta, mean, variance] = layer.getWeights()
      layer.setWeights([gamma.add(0.5), beta.sub(0.25), mean.add(0.1), variance.mul(2)])
    }
    const file = `theirs_${name}_tfjs`
    await save(model, join(folder, file))
    files.push({ file, logits: logits(model) })
  }
  writeFileSync(join(folder, 'theirs.json'), JSON.stringify(files))
  node('readPeerFiles', folder)
}

const folder = mkdtempSync(join(tmpdir(), 'lenet-tfjs-'))
try {
  await tf.setBackend('cpu')
  await checkOurs(folder)
  await checkTheirs(folder)
  console.log(`test:tfjs: TensorFlow.js ${tf.version.tfjs} and we open each other's models`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
