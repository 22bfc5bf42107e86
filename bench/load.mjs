/**
 * How long a model of 5 MB takes to load, in every format: `npm run build && node bench/load.mjs`. Each format has a process
 * of its own: the first load, with the code that only this format needs, and the median of nine more.
 * Weights alone (.pth, .safetensors, .npz, .weights.h5) are read into the net of an .onnx file, whose reading counts too.
 * Not here: speed of training (lenet bench).
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readModel } from '../dist/src/cli/modelFiles.js'
import { encodeModel, formats } from '../dist/src/files/index.js'
import { targetOf, writeModel } from '../dist/src/files/model.node.js'
import { netOfModule, nn } from '../dist/src/nn/index.js'
import { manualSeed } from '../dist/src/tensor/index.js'

const pathOf = (folder, format) => join(folder, format === 'tfjs' ? 'x/model.json' : `x${formats[format].endings[0]}`)

/** LeNet's shape with a wide middle: 1.25 million parameters. */
function wideNet() {
  manualSeed(1)
  return new nn.Sequential(
    new nn.Conv2d(3, 6, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(6, 16, 5),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(400, 2500),
    new nn.ReLU(),
    new nn.Linear(2500, 96),
    new nn.ReLU(),
    new nn.Linear(96, 10),
  )
}

async function write(folder) {
  mkdirSync(join(folder, 'x'))
  const net = netOfModule(wideNet(), [3, 32, 32])
  for (const format of Object.keys(formats))
    await writeModel(await encodeModel(net, targetOf(pathOf(folder, format)), 'the net'))
}

async function timed(load) {
  const start = performance.now()
  await load()
  return performance.now() - start
}

/** In a process of its own: prints the first time and the median of the next. */
async function measure(format, folder) {
  const load = () => readModel(pathOf(folder, format), formats[format].bare ? pathOf(folder, 'onnx') : undefined)
  const first = await timed(load)
  const next = []
  for (let i = 0; i < 9; i++) next.push(await timed(load))
  const median = next.toSorted((a, b) => a - b)[4]
  console.log(
    `${formats[format].title.padEnd(14)} first ${first.toFixed(0).padStart(5)} ms, then ${median.toFixed(0)} ms`,
  )
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-load-'))
  try {
    await write(folder)
    console.log(`${(statSync(pathOf(folder, 'pth')).size / 1e6).toFixed(1)} MB, Node ${process.version}`)
    for (const format of Object.keys(formats)) {
      const { status } = spawnSync(process.execPath, [import.meta.filename, format, folder], { stdio: 'inherit' })
      if (status !== 0) process.exitCode = 1
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const [format, folder] = process.argv.slice(2)
await (format === undefined ? main() : measure(format, folder))
