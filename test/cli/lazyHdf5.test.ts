/** h5wasm, 4 MB of code, is loaded only when an HDF5 file is touched: processes whose imports are watched. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { encodeModel, formats, type FormatName } from '../../src/files/index.js'
import { targetOf, writeModel } from '../../src/files/model.node.js'
import { LeNet } from '../../src/models/index.js'
import { netOfModule } from '../../src/nn/index.js'
import { folder, lenet } from './run.js'

/** Tells on stderr when a module of h5wasm is asked for. */
const hooks = `import { writeSync } from 'node:fs'
export function resolve(specifier, context, next) {
  if (specifier.includes('h5wasm')) writeSync(2, 'h5wasm is loaded')
  return next(specifier, context)
}`
const dataUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`
const watch = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(hooks))})`
const env = { NODE_OPTIONS: `--import=${dataUrl(watch)}` }

/** As `lenet convert` would write it. */
async function written(format: FormatName): Promise<string> {
  const target = targetOf(join(folder(), format === 'tfjs' ? 'x/model.json' : `x${formats[format].endings[0]}`))
  mkdirSync(dirname(target.path), { recursive: true })
  await writeModel(await encodeModel(netOfModule(new LeNet(3), [3, 32, 32]), target, 'lenet'))
  return target.path
}

const wanted: Readonly<Record<FormatName, boolean>> = {
  pth: false,
  safetensors: false,
  npz: false,
  onnx: false,
  tfjs: false,
  keras: true, // its weights are an HDF5 file
  h5: true,
  weights: true,
}

for (const format of Object.keys(wanted) as FormatName[]) {
  test(`lenet summary of ${formats[format].title} loads h5wasm: ${wanted[format]}`, async () => {
    const { code, stdout, stderr } = await lenet(['summary', await written(format)], { env })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /62,006/)
    assert.equal(stderr.includes('h5wasm is loaded'), wanted[format])
  })
}
