/**
 * The article's nets as ONNX files with random weights, for onnxruntime: just the messages that these need, spelled by
 * field number. Source: onnx.proto of the ONNX project. Not here: reading, or other operations.
 */

const varint = (value) => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))])
const number = (field, value) => Buffer.from([...varint(field << 3), ...varint(value)])
const bytes = (field, value) => {
  const content = typeof value === 'string' ? Buffer.from(value) : value
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(content.length)]), content])
}
const message = (field, ...parts) => bytes(field, Buffer.concat(parts))

/** Field numbers of AttributeProto: name 1, i 3, ints 8, type 20 (2: a number, 7: numbers). */
function attribute([name, value]) {
  if (typeof value === 'number') return message(5, bytes(1, name), number(3, value), number(20, 2))
  return message(5, bytes(1, name), ...value.map((each) => number(8, each)), number(20, 7))
}

function node(type, inputs, output, attributes = {}) {
  const names = [...inputs.map((input) => bytes(1, input)), bytes(2, output), bytes(4, type)]
  return message(1, ...names, ...Object.entries(attributes).map(attribute))
}

/** float32 values, uniform in ±1/√(inputs of an output). */
function weights(name, shape, inputs) {
  const count = shape.reduce((a, b) => a * b)
  const values = Float32Array.from({ length: count }, () => (2 * Math.random() - 1) / Math.sqrt(inputs))
  return message(
    5,
    ...shape.map((d) => number(1, d)),
    number(2, 1),
    bytes(8, name),
    bytes(9, Buffer.from(values.buffer)),
  )
}

/** A float32 value [N, …shape]. */
function value(field, name, shape) {
  const dims = [message(1, bytes(2, 'N')), ...shape.map((d) => message(1, number(1, d)))]
  return message(field, bytes(1, name), message(2, message(1, number(1, 1), message(2, ...dims))))
}

function layerNodes(layer, i, x) {
  const [w, b] = [`w${i}`, `b${i}`]
  if (layer.op === 'linear') {
    const y = `linear${i}`
    const gemm = node('Gemm', [x, w, b], y, { transB: 1 })
    return layer.relu ? [[gemm, node('Relu', [y], `relu${i}`)], `relu${i}`] : [[gemm], y]
  }
  const k = layer.kernel
  const nodes = [node('Conv', [x, w, b], `conv${i}`, { kernel_shape: [k, k] }), node('Relu', [`conv${i}`], `relu${i}`)]
  if (!layer.pool) return [nodes, `relu${i}`]
  return [[...nodes, node('MaxPool', [`relu${i}`], `pool${i}`, { kernel_shape: [2, 2], strides: [2, 2] })], `pool${i}`]
}

/** Bytes of a model: input `x` [N, 3, 32, 32], output `y` [N, 10]. */
export function onnxModel(layers) {
  const parts = []
  let x = 'x'
  layers.forEach((layer, i) => {
    if (layer.op === 'linear' && layers[i - 1]?.op === 'conv') {
      parts.push(node('Flatten', [x], 'flat', { axis: 1 }))
      x = 'flat'
    }
    const [nodes, out] = layerNodes(layer, i, x)
    const shape = layer.op === 'conv' ? [layer.out, layer.in, layer.kernel, layer.kernel] : [layer.out, layer.in]
    const inputs = shape.slice(1).reduce((a, b) => a * b)
    parts.push(...nodes, weights(`w${i}`, shape, inputs), weights(`b${i}`, [layer.out], inputs))
    x = out
  })
  parts.push(node('Identity', [x], 'y'), bytes(2, 'net'), value(11, 'x', [3, 32, 32]), value(12, 'y', [10]))
  return Buffer.concat([number(1, 8), message(8, bytes(1, ''), number(2, 13)), message(7, ...parts)])
}
