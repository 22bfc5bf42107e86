/** A net as data with every operation there is, for writers' tests and the Python checks. */
import type { NetFile } from '../../src/formats/net.js'

/** Every operation, with weights from a fixed series. */
export function everyOperation(): { net: NetFile; count: number } {
  let state = 1
  const data = (...shape: number[]): { shape: number[]; data: Float32Array } => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
      state = (state * 48271) % 2147483647
      return state / 2147483647 - 0.4
    }),
  })
  const none = new Map<string, never>()
  const nodes: NetFile['nodes'] = [
    { name: 'r', op: 'rescaling', scale: [0.5, 1, 2], offset: [0, 0, 0], inputs: ['x'], weights: none },
    { name: 'r2', op: 'rescaling', scale: [1], offset: [0.25], inputs: ['r'], weights: none },
    { name: 'a', op: 'augmentation', layer: 'RandomFlip', settings: {}, inputs: ['r2'], weights: none },
    {
      name: 'p',
      op: 'pad',
      padding: { top: 1, bottom: 0, left: 2, right: 0 },
      value: 0.5,
      inputs: ['a'],
      weights: none,
    },
    {
      name: 'block.conv',
      op: 'conv2d',
      outChannels: 6,
      kernelSize: [3, 2],
      stride: [1, 2],
      dilation: [2, 1],
      groups: 3,
      padding: { top: 1, bottom: 2, left: 0, right: 1 },
      bias: false,
      inputs: ['p'],
      weights: new Map([['weight', data(6, 1, 3, 2)]]),
    },
    {
      name: 'bn',
      op: 'batchNorm',
      eps: 1e-3,
      momentum: 0.01,
      inputs: ['block.conv'],
      weights: new Map([
        ['bias', data(6)],
        ['running_mean', data(6)],
        ['running_var', { shape: [6], data: new Float32Array(6).fill(0.7) }],
      ]),
    },
    { name: 's1', op: 'silu', inputs: ['bn'], weights: none },
    { name: 's2', op: 'hardSwish', inputs: ['bn'], weights: none },
    { name: 's3', op: 'leakyRelu', negativeSlope: 0.3, inputs: ['bn'], weights: none },
    { name: 's4', op: 'elu', alpha: 0.5, inputs: ['bn'], weights: none },
    { name: 's5', op: 'gelu', approximate: 'tanh', inputs: ['bn'], weights: none },
    { name: 's6', op: 'gelu', approximate: 'none', inputs: ['bn'], weights: none },
    { name: 'sum', op: 'add', inputs: ['s1', 's2', 's3'], weights: none },
    { name: 'product', op: 'mul', inputs: ['s4', 's5', 's6'], weights: none },
    { name: 'joined', op: 'concat', dim: 0, inputs: ['sum', 'product'], weights: none },
    {
      name: 'max',
      op: 'maxPool2d',
      kernelSize: [2, 2],
      stride: [2, 1],
      padding: { top: 0, bottom: 1, left: 1, right: 0 },
      inputs: ['joined'],
      weights: none,
    },
    {
      name: 'avg',
      op: 'avgPool2d',
      kernelSize: [2, 2],
      stride: [1, 1],
      padding: { top: 1, bottom: 0, left: 0, right: 0 },
      countIncludePad: false,
      inputs: ['max'],
      weights: none,
    },
    {
      name: 'avg2',
      op: 'avgPool2d',
      kernelSize: [2, 1],
      stride: [1, 1],
      padding: { top: 1, bottom: 0, left: 0, right: 0 },
      countIncludePad: true,
      inputs: ['avg'],
      weights: none,
    },
    { name: 'gap', op: 'globalAvgPool2d', keepDims: true, inputs: ['avg2'], weights: none },
    { name: 'scaled', op: 'mul', inputs: ['avg2', 'gap'], weights: none },
    { name: 'flat', op: 'flatten', order: 'hwc', inputs: ['scaled'], weights: none },
    {
      name: 'fc',
      op: 'linear',
      outFeatures: 12,
      bias: true,
      inputs: ['flat'],
      weights: new Map([
        ['weight', data(12, 192)],
        ['bias', data(12)],
      ]),
    },
    { name: 'picture', op: 'reshape', shape: [3, 2, 2], order: 'hwc', inputs: ['fc'], weights: none },
    { name: 'turned', op: 'reshape', shape: [2, 2, 3], order: 'chw', inputs: ['picture'], weights: none },
    {
      name: 'rows',
      op: 'linear',
      outFeatures: 4,
      bias: true,
      inputs: ['turned'],
      weights: new Map([
        ['weight', data(4, 3)],
        ['bias', data(4)],
      ]),
    },
    {
      name: 'rows2',
      op: 'linear',
      outFeatures: 4,
      bias: false,
      inputs: ['rows'],
      weights: new Map([['weight', data(4, 4)]]),
    },
    {
      name: 'ln',
      op: 'layerNorm',
      normalizedShape: [2, 2, 4],
      eps: 1e-5,
      inputs: ['rows2'],
      weights: new Map([['weight', data(2, 2, 4)]]),
    },
    { name: 'gap2', op: 'globalAvgPool2d', keepDims: false, inputs: ['ln'], weights: none },
    {
      name: 'ln2',
      op: 'layerNorm',
      normalizedShape: [2],
      eps: 1e-6,
      inputs: ['gap2'],
      weights: new Map([['bias', data(2)]]),
    },
    { name: 'drop', op: 'dropout', p: 0.3, inputs: ['ln2'], weights: none },
    { name: 't', op: 'tanh', inputs: ['drop'], weights: none },
    { name: 'g', op: 'sigmoid', inputs: ['t'], weights: none },
    { name: 'h', op: 'relu', inputs: ['t'], weights: none },
    { name: 'j', op: 'concat', dim: 0, inputs: ['g', 'h'], weights: none },
    { name: 'soft', op: 'softmax', inputs: ['j'], weights: none },
    { name: 'out', op: 'logSoftmax', inputs: ['soft'], weights: none },
  ]
  const notes = {
    classes: ['a', 'é"', 'c', 'd'],
    preprocessing: { scale: 1 / 255, mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] },
  }
  return { net: { inputs: [{ name: 'x', shape: [3, 8, 8] }], nodes, outputs: ['out'], ...notes }, count: 192 }
}
