/** What training writes is the same byte for byte whatever computed it, with however many threads. Needs no data set. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Generator } from '../../src/base/index.js'
import { encodePng } from '../../src/data/index.node.js'
import { deviceInfo } from '../../src/device/index.js'
import { whyNoCompiler } from '../device/nativeTools.js'
import { eventsOf, folder, lenet } from './run.js'

const classes = ['ash', 'beech', 'cedar', 'date']
/** Every fifth picture of a class is for testing: 256 are left. */
const perClass = 80

/** A folder of pictures: noise, brighter from class to class. */
async function pictures(): Promise<string> {
  const at = join(folder(), 'trees')
  const generator = new Generator(3)
  for (const [i, name] of classes.entries()) {
    mkdirSync(join(at, name), { recursive: true })
    for (let n = 0; n < perClass; n++) {
      const pixels = Uint8Array.from({ length: 3072 }, () => 40 * i + (generator.randomU32() & 127))
      writeFileSync(join(at, name, `${n}.png`), await encodePng(pixels, 32, 32))
    }
  }
  return at
}

const data = await pictures()
const env = { LENET_HOME: folder() }

interface Written {
  readonly files: ReadonlyMap<string, Buffer>
  readonly done: Record<string, unknown> | undefined
}

async function train(device: string, threads: number): Promise<Written> {
  const out = folder()
  const args = ['--data', data, '--limit-train', '256', '--epochs', '2', '--out', out, '--json']
  const ended = await lenet(['train', ...args, '--device', device, '--threads', String(threads)], { env })
  assert.equal(ended.code, 0, ended.stderr)
  const files = new Map(
    readdirSync(out)
      .toSorted()
      .map((name) => [name, readFileSync(join(out, name))]),
  )
  return { files, done: eventsOf(ended.stdout).at(-1) }
}

let first: Promise<Written> | undefined
const onOneThread = (): Promise<Written> => (first ??= train('wasm', 1))

const noFma = deviceInfo().fusedMultiplyAdd
  ? false
  : 'this machine has no fused multiply-add in WebAssembly, so the last bits may differ'
const noNative = noFma || whyNoCompiler()

for (const [device, threads, skip] of [
  ['wasm', 2, noFma],
  ['native', 1, noNative],
  ['native', 2, noNative],
  ['auto', 2, noNative],
] as const)
  test(
    `files of --device ${device} --threads ${threads} are those of --device wasm --threads 1`,
    { skip },
    async () => {
      const [wanted, found] = [await onOneThread(), await train(device, threads)]
      assert.deepEqual([...wanted.files.keys()], ['checkpoint.pth', 'curves.png', 'curves.svg', 'torch_lenet.pth'])
      assert.deepEqual([...found.files.keys()], [...wanted.files.keys()])
      for (const [name, bytes] of found.files) assert.ok(bytes.equals(wanted.files.get(name) ?? Buffer.of()), name)
      for (const figure of ['trainAccuracy', 'testAccuracy']) assert.equal(found.done?.[figure], wanted.done?.[figure])
      if (device === 'native') assert.equal(found.done?.['device'], 'native')
    },
  )
