/** A small net with all that has a state, and windows of every sort; pictures of noise. */
import { Generator } from '../../src/base/index.js'
import { ImageDataset } from '../../src/data/index.js'
import { F, nn } from '../../src/nn/index.js'
import type { Tensor } from '../../src/tensor/index.js'

const classes = ['a', 'b', 'c', 'd']

export function pictures(count: number, side: number, seed = 7): ImageDataset {
  const random = new Generator(seed)
  const labels = Uint8Array.from({ length: count }, () => random.randomU32() % classes.length)
  const pixels = Uint8Array.from({ length: count * 3 * side * side }, () => random.randomU32() & 255)
  return new ImageDataset({ pixels, labels, count, channels: 3, height: side, width: side, classes })
}

/** [N, 3, 16, 16] → [N, 4] */
export class Mixed extends nn.Module {
  conv1 = new nn.Conv2d(3, 4, 3, { stride: 2, padding: 1 })
  norm = new nn.BatchNorm2d(4)
  drop = new nn.Dropout(0.3)
  fc1 = new nn.Linear(64, 16)
  norm1 = new nn.BatchNorm1d(16)
  drop1 = new nn.Dropout(0.5)
  fc2 = new nn.Linear(16, classes.length)
  override forward(x: Tensor): Tensor {
    x = this.drop(F.avgPool2d(F.relu(this.norm(this.conv1(x))), 3, { stride: 2, padding: 1 })) // [N, 4, 4, 4]
    return this.fc2(this.drop1(F.tanh(this.norm1(this.fc1(x.flatten(1))))))
  }
}
