/** What the writer's tests and python/check_pth.py both look at. */
import type { WritablePthValue, WritableTensor } from '../../../src/formats/index.js'

/** A small net's names with every dtype that can be written, made anew at each call. */
export function sampleTensors(): Map<string, WritableTensor> {
  const ramp = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => (i - 3) / 7)
  return new Map<string, WritableTensor>([
    ['conv1.weight', { shape: [6, 3, 5, 5], data: ramp(450) }],
    ['conv1.bias', { shape: [6], data: ramp(6) }],
    ['odd', { shape: [4], data: new Float32Array([NaN, Infinity, -0, 1e-45]) }],
    ['scalar', { shape: [], data: new Float32Array([0.5]) }],
    ['empty', { shape: [0, 3], data: new Float32Array(0) }],
    ['doubles', { shape: [2], data: new Float64Array([0.1, -1e300]) }],
    ['longs', { shape: [2], data: new BigInt64Array([-(2n ** 62n), 3n]) }],
    ['ints', { shape: [2], data: new Int32Array([-(2 ** 31), 5]) }],
    ['shorts', { shape: [2], data: new Int16Array([-32768, 5]) }],
    ['chars', { shape: [2], data: new Int8Array([-128, 5]) }],
    ['bytes', { shape: [2], data: new Uint8Array([255, 5]) }],
    ['flags', { shape: [2], data: new Uint8Array([1, 0]), dtype: 'bool' }],
  ])
}

export function sampleCheckpoint(): WritablePthValue {
  const step = { shape: [], data: new Float32Array([2]) }
  const numbers = [1, -1, 255, 256, -(2 ** 31), 2 ** 31, 2 ** 53 - 1, -(2 ** 53 - 1), 0.1]
  return {
    model: sampleTensors(),
    optimizer: { state: new Map([[0, { step }]]), param_groups: [{ lr: 1e-3, betas: [0.9, 0.999], params: [0] }] },
    epoch: 7,
    big: 2n ** 70n,
    list: [...numbers, 'é😀', null, true, false, []],
  }
}
