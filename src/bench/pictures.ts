/** Pictures to measure on: smooth blobs in CIFAR-10's shape, so that gradients are about as sparse as on real ones; noise. */
import { Generator } from '../base/index.js'
import { cifar10Classes, ImageDataset, transforms, type Dataset } from '../data/index.js'
import { randn, tensor, type Tensor } from '../tensor/index.js'

const count = 4096

export function blobs(): Dataset {
  const generator = new Generator(7)
  const noise = generator.uniform(new Float32Array(count * 3 * 64), 0, 255)
  const pixels = new Uint8Array(count * 3072)
  for (let i = 0; i < pixels.length; i++) {
    const [x, y, plane] = [i & 31, (i >> 5) & 31, i >> 10]
    const coarse = noise[plane * 64 + (y >> 2) * 8 + (x >> 2)] ?? 0
    pixels[i] = Math.min(255, coarse * (0.8 + 0.05 * ((x & 3) + (y & 3))))
  }
  const labels = Uint8Array.from({ length: count }, () => generator.randomU32() % 10)
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])])
  const shape = { count, channels: 3, height: 32, width: 32, classes: cifar10Classes }
  return new ImageDataset({ ...shape, pixels, labels }, { transform })
}

/** A batch of normal numbers [batch, 3, side, side] and labels of 10 classes. */
export function noise(batch: number, side: number): readonly [inputs: Tensor, labels: Tensor] {
  const labels = Array.from({ length: batch }, (_, i) => i % 10)
  return [randn([batch, 3, side, side]), tensor(labels, { dtype: 'i32' })]
}
