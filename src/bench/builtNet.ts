/** Our net of a list of layers, in PyTorch's idiom. Not here: the lists (nets.ts, deepNets.ts). */
import { F, nn, type Layer } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'
import type { ConvSpec, LayerSpec } from './nets.js'

export type Net = nn.Module & ((x: Tensor) => Tensor)

class Residual extends nn.Module {
  readonly body: Layer
  readonly down?: Layer
  readonly #relu: boolean

  constructor(body: Layer, down: Layer | undefined, relu: boolean) {
    super()
    this.body = body
    if (down) this.down = down
    this.#relu = relu
  }

  forward(x: Tensor): Tensor {
    const sum = this.body(x).add(this.down ? this.down(x) : x)
    return this.#relu ? F.relu(sum) : sum
  }
}

/** [N, C, H, W] → [N, C]. */
class Mean extends nn.Module {
  forward(x: Tensor): Tensor {
    return x.mean([2, 3])
  }
}

function convOf({ in: from, out, kernel, stride, groups, same, norm, relu, pool }: ConvSpec): Layer[] {
  const padding = same ? (kernel - 1) / 2 : 0
  return [
    new nn.Conv2d(from, out, kernel, { stride, groups, padding, bias: !norm }),
    ...(norm ? [new nn.BatchNorm2d(out)] : []),
    ...(relu ? [new nn.ReLU()] : []),
    ...(pool ? [new nn.MaxPool2d(2)] : []),
  ]
}

function layersFor(layer: LayerSpec): Layer[] {
  if (layer.op === 'conv') return convOf(layer)
  if (layer.op === 'mean') return [new Mean()]
  if (layer.op === 'maxPool') return [new nn.MaxPool2d(layer.kernel, { stride: layer.stride, padding: layer.padding })]
  if (layer.op === 'linear') return [new nn.Linear(layer.in, layer.out), ...(layer.relu ? [new nn.ReLU()] : [])]
  const down = layer.down.length > 0 ? chain(layer.down) : undefined
  return [new Residual(chain(layer.body), down, layer.relu)]
}

const chain = (layers: readonly LayerSpec[]): Layer => new nn.Sequential(...layers.flatMap(layersFor))

export function builtNet(layers: readonly LayerSpec[]): Net {
  const flat = layers.findIndex(({ op }) => op === 'linear')
  return new nn.Sequential(
    ...layers.slice(0, flat).flatMap(layersFor),
    new nn.Flatten(),
    ...layers.slice(flat).flatMap(layersFor),
  )
}
