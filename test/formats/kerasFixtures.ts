/** Reads fixtures/keras.json: files by real Keras (fixtures/make_keras.py), their logits, and the pictures of both. */
import { readFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'
import type { NetFile } from '../../src/formats/index.js'
import { base64Fixtures } from './helpers.js'
import { runNet } from './runNet.js'

/** Every file by name, `keras3.h5` …; those that must be refused begin with `bad `. */
export function kerasFixtures(): ReadonlyMap<string, Uint8Array> {
  return new Map([...base64Fixtures('keras.json')].map(([name, packed]) => [name, new Uint8Array(inflateSync(packed))]))
}

/** Logits of two pictures, by model. */
export function kerasLogits(): ReadonlyMap<string, readonly number[]> {
  const url = new URL('../../../test/formats/fixtures/keras_logits.json', import.meta.url)
  const read: unknown = JSON.parse(readFileSync(url, 'utf8'))
  if (typeof read !== 'object' || read === null) throw new Error('keras_logits.json is not an object')
  return new Map(Object.entries(read).map(([name, values]) => [name, Array.isArray(values) ? values.map(Number) : []]))
}

/** Picture `index` of make_keras.py's `pictures(2, H, W, C)`, as CHW. */
function picture(index: number, [channels = 1, height = 1, width = 1]: readonly number[]): Float32Array {
  const [pixels, first] = [height * width, index * channels * height * width]
  return Float32Array.from({ length: pixels * channels }, (_, i) => {
    const at = first + (i % pixels) * channels + Math.floor(i / pixels)
    return ((37 * at) % 101) / 101
  })
}

/** The largest difference between the net's logits for the two pictures and `wanted`. */
export function logitDifference(net: NetFile, wanted: readonly number[]): number {
  const shape = (net.inputs[0]?.shape ?? []).map(Number)
  const got = [0, 1].flatMap((index) => [...runNet(net, picture(index, shape))])
  if (got.length !== wanted.length) throw new Error(`${got.length} logits, ${wanted.length} expected`)
  return Math.max(...got.map((value, i) => Math.abs(value - (wanted[i] ?? Number.NaN))))
}
