/** From milliseconds to figures: medians, percent of peak, ratios, and how they are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { figure, kernelFigure, median, peakFor, quantile, withRatios, type Peak } from '../../src/bench/figures.js'
import { forwardFlops, layersOf, netNames, stepFlops, usualInput, type LayerSpec } from '../../src/bench/nets.js'
import type { Task } from '../../src/bench/protocol.js'
import { growthTable, kernelTable, missingText, peakTable, ratioTable, stepTable } from '../../src/bench/tables.js'

const task = (changes: Partial<Task> = {}): Task => ({
  kind: 'train',
  net: 'lenet',
  layers: layersOf('lenet'),
  width: 1,
  side: 32,
  batch: 32,
  threads: 1,
  mode: '',
  warmSeconds: 0,
  ...changes,
})

const peaks: Peak[] = [
  { event: 'peak', device: 'native', bits: 128, threads: 1, gflops: 50 },
  { event: 'peak', device: 'native', bits: 512, threads: 1, gflops: 200 },
  { event: 'peak', device: 'wasm', bits: 128, threads: 1, gflops: 50 },
]

test('median and quantiles, of odd and even numbers of values, and of none', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([7]), 7)
  assert.ok(Number.isNaN(median([])))
  assert.equal(quantile([10, 20, 30, 40, 50], 0), 10)
  assert.equal(quantile([10, 20, 30, 40, 50], 0.1), 14)
  assert.equal(quantile([10, 20, 30, 40, 50], 1), 50)
})

test('operations of a step are those that the layers need, without the gradient of the pictures', () => {
  // LeNet's multiply-adds of one picture: 28²·6·75 + 10²·16·150 + 400·120 + 120·84 + 84·10
  const forward = 352_800 + 240_000 + 48_000 + 10_080 + 840
  assert.equal(forwardFlops(layersOf('lenet'), 1), 2 * forward)
  assert.equal(stepFlops(layersOf('lenet'), 32), 2 * 32 * (3 * forward - 352_800))
  assert.equal(Math.round(stepFlops(layersOf('lenet1'), 32) / 1e6), 735)
  const [wide] = layersOf('lenet1', 8)
  assert.ok(wide?.op === 'conv')
  assert.equal(wide.out, 256)
})

test('deep nets: parameters and multiply-adds of their papers', () => {
  const parameters = (layers: readonly LayerSpec[]): number =>
    layers.reduce((sum, layer) => {
      if (layer.op === 'conv')
        return sum + layer.out * ((layer.in / layer.groups) * layer.kernel ** 2 + (layer.norm ? 2 : 1))
      if (layer.op === 'linear') return sum + layer.out * (layer.in + 1)
      return layer.op === 'residual' ? sum + parameters(layer.body) + parameters(layer.down) : sum
    }, 0)
  // with projections where channels change (He et al.'s option B), and 10 classes
  assert.equal(parameters(layersOf('resnet20')), 272_474)
  assert.equal(parameters(layersOf('resnet18')), 11_173_962)
  assert.equal(parameters(layersOf('mobilenet96')), 2_236_682)
  assert.equal(parameters(layersOf('resnet50')), 23_528_522)
  assert.equal(Math.round(forwardFlops(layersOf('resnet20'), 1, 32) / 2e5) / 10, 40.8)
  assert.equal(Math.round(forwardFlops(layersOf('resnet50'), 1, 224) / 2e7) / 100, 4.09)
  assert.equal(Math.round(forwardFlops(layersOf('mobilenet224'), 1, 224) / 2e6), 300)
  for (const net of netNames) {
    const { side, batch } = usualInput(net)
    assert.ok(stepFlops(layersOf(net), batch, side) > 2 * forwardFlops(layersOf(net), batch, side), net)
  }
})

test('percent of peak is of the widest vectors with as many threads, and of WebAssembly’s own', () => {
  assert.equal(peakFor(peaks, 'lenet-native', 1), 200)
  assert.equal(peakFor(peaks, 'torch-eager', 1), 200)
  assert.equal(peakFor(peaks, 'lenet-wasm', 1), 50)
  assert.equal(peakFor(peaks, 'lenet-wasm', 2), undefined)
  const ms = stepFlops(layersOf('lenet'), 32) / 100e9 / 1e-3
  const native = figure(task(), 'lenet-native', { ms: [ms, ms, ms] }, peaks)
  assert.equal(native.gflops, 100)
  assert.equal(native.percentOfFmaPeak, 50)
  assert.equal(native.steps, 3)
  assert.equal(figure(task({ threads: 2 }), 'lenet-native', { ms: [ms] }, peaks).percentOfFmaPeak, null)
})

test('ratios compare with the best mode at the same work only', () => {
  const all = withRatios([
    figure(task(), 'lenet-native', { ms: [1] }, []),
    figure(task(), 'torch-eager', { ms: [5] }, []),
    figure(task(), 'torch-fused', { ms: [4] }, []),
    figure(task({ threads: 2 }), 'torch-fused', { ms: [2] }, []),
    figure(task({ batch: 8 }), 'lenet-native', { ms: [1] }, []),
  ])
  assert.deepEqual(
    all.map(({ against, times }) => [against, times]),
    [
      ['torch-fused', 4],
      ['torch-fused', 0.8],
      ['torch-fused', 1],
      ['torch-fused', 1],
      [null, null],
    ],
  )
  const predict = task({ kind: 'predict' })
  const [ours] = withRatios([
    figure(predict, 'lenet-wasm', { ms: [1] }, []),
    figure(predict, 'onnxruntime-node', { ms: [3] }, []),
  ])
  assert.deepEqual([ours?.against, ours?.times], ['onnxruntime-node', 3])
})

test('a kernel without counted operations has a time only', () => {
  const of = { net: 'lenet', who: 'lenet-native', threads: 1 }
  assert.equal(kernelFigure(of, { name: 'copy', us: 2, flops: 0 }, peaks).gflops, null)
  const conv = kernelFigure(of, { name: 'conv', us: 10, flops: 1_500_000 }, peaks)
  assert.deepEqual([conv.gflops, conv.percentOfFmaPeak], [150, 75])
})

test('a column of nothing is left out, and what is needed to fill it is told', () => {
  const ours = withRatios([
    figure(task(), 'lenet-native', { ms: [0.74] }, []),
    figure(task({ threads: 2 }), 'lenet-native', { ms: [0.37] }, []),
  ])
  assert.match(stepTable(ours, []).split('\n')[0] ?? '', /^net +who +threads +ms a step +images\/s +GFLOP\/s$/)
  assert.match(ratioTable(ours).split('\n')[0] ?? '', /^net +faster +threads +itself, 1 thread$/)
  assert.doesNotMatch(growthTable(ours, []), /times|of peak/)
  assert.equal(
    missingText(ours),
    'not measured beside ours: PyTorch and Keras: --python PATH, with torch, or tensorflow and keras; tfjs, jax-js and onnxruntime: --peers, in a clone',
  )
  const all = [...ours, figure(task(), 'torch-eager', { ms: [5] }, []), figure(task(), 'jax-js', { ms: [90] }, [])]
  assert.equal(missingText(all), '')
  assert.match(
    missingText([figure(task({ kind: 'predict' }), 'lenet-wasm', { ms: [1] }, [])]),
    /^[^;]*onnxruntime: --peers/,
  )
})

test('tables name all, fastest first, and what was not measured', () => {
  const all = withRatios([
    figure(task(), 'torch-eager', { ms: [5.04] }, peaks),
    figure(task(), 'lenet-native', { ms: [0.74] }, peaks),
    figure(task({ threads: 2 }), 'lenet-native', { ms: [0.37] }, peaks),
    figure(task(), 'tfjs-cpu', { ms: [3044] }, peaks),
  ])
  const reason = 'no such backend'
  const lines = stepTable(all, [{ event: 'skipped', net: 'lenet', who: 'tfjs-wasm', threads: 1, reason }]).split('\n')
  assert.match(lines[2] ?? '', /^lenet {2}lenet-native +2 +0\.370 +86486 +277\.2$/)
  assert.match(lines[3] ?? '', /lenet-native +1 +0\.740 .* 69 % +6\.81 ×$/)
  assert.match(lines[5] ?? '', /tfjs-cpu +1 +3044 /)
  assert.equal(lines[6], 'not measured: lenet, tfjs-wasm, 1 thread: no such backend')
  const ratios = ratioTable(all).split('\n')
  assert.match(ratios[2] ?? '', /^lenet {2}lenet-native +1 +6\.81 × +4113\.51 × +1\.00 ×$/)
  assert.match(ratios[3] ?? '', /^lenet {2}lenet-native +2 +8227\.03 × +2\.00 ×$/)
  assert.match(growthTable(all, []).split('\n')[2] ?? '', /^lenet +32 +×1 +1 +torch-eager +5\.040 /)
  const kernel = kernelFigure({ net: 'lenet', who: 'lenet-native', threads: 1 }, { name: 'conv', us: 10, flops: 0 }, [])
  assert.match(kernelTable([kernel, kernel]), /all +20\.0$/)
  assert.match(peakTable(peaks), /native +512 bit +1 +200\.0/)
})
