/** Sample pictures with their class names: a PNG, and in the terminal where it can show them. */
import { extname, resolve } from 'node:path'
import { Generator, UsageError } from '../base/index.js'
import { cifar10Classes, cifar10ShortClasses, DataLoader, makeGrid, type ImageDataset } from '../data/index.js'
import { writeFileAtomic } from '../base/fs.node.js'
import { encodePng } from '../data/index.node.js'
import { terminalPicture } from '../report/index.js'
import { loadSet, type DataOptions } from './dataSets.js'
import { createOutput, type Output } from './output.js'

const shown = 8
/** 32 pixels are small on a screen: the PNG shows each as a square. */
const scale = 3

/** RGB pixels, each repeated `scale` times in both directions. */
function enlarge(rgb: Uint8Array, width: number, height: number): Uint8Array {
  const wide = width * scale
  const out = new Uint8Array(wide * height * scale * 3)
  for (let y = 0; y < height * scale; y++)
    for (let x = 0; x < wide; x++) {
      const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * 3
      out.set(rgb.subarray(from, from + 3), (y * wide + x) * 3)
    }
  return out
}

/** Draws from a generator of its own: training sees the same numbers whether samples are shown or not. */
export async function showSamples(output: Output, set: ImageDataset, path: string): Promise<void> {
  const loader = new DataLoader(set, { batchSize: shown, shuffle: true, generator: new Generator(2) })
  const [first] = loader
  if (!first) return
  const [images, labels] = first
  output.text(`torch.Size([${images.shape.join(', ')}])`)
  const grid = makeGrid(images.div(2).add(0.5)) // unnormalize
  const [height, width] = [grid.size(1), grid.size(2)]
  const values = grid.permute(1, 2, 0).toTypedArray() // [H, W, 3]
  const data = new Uint8Array(Uint8ClampedArray.from(values, (value) => value * 255).buffer)
  const png = await encodePng(enlarge(data, width, height), width * scale, height * scale)
  await writeFileAtomic(path, png)
  const { isTTY, columns } = process.stdout
  const terminal = { isTTY: isTTY === true, env: process.env, ...(columns ? { columns } : {}) }
  const picture = terminalPicture({ width, height, data }, terminal, png)
  if (picture) output.text(picture)
  const names = set.classes === cifar10Classes ? cifar10ShortClasses : set.classes
  output.text(Array.from(labels.toTypedArray(), (label) => (names[label] ?? '?').padStart(5)).join(' '))
  output.text(`sample pictures: ${resolve(path)}`)
}

/** `lenet samples`. */
export async function samplesCommand(options: DataOptions & { out: string; json?: boolean }): Promise<void> {
  if (!['.png', ''].includes(extname(options.out).toLowerCase()))
    throw new UsageError(`--out ${options.out}: give a name that ends in .png`)
  const output = createOutput(options.json === true)
  const set = await loadSet(output, options, true, 2000)
  await showSamples(output, set, options.out)
  output.event({ event: 'done', picture: resolve(options.out) })
}
