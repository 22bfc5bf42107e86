/** LeNet1, the article's wider net with three convolutions: 122,570 parameters with 3 channels. */
import { F, nn } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'

/** [N, inDim, 32, 32] → logits [N, nClass]. */
export class LeNet1 extends nn.Module {
  conv1: nn.Conv2d
  conv2: nn.Conv2d
  conv3: nn.Conv2d
  fc1: nn.Linear
  fc2: nn.Linear

  /** @param inDim channels of a picture: 1 (default) for MNIST, 3 for CIFAR-10; nClass: classes, default 10 */
  constructor(inDim = 1, nClass = 10) {
    super()
    this.conv1 = new nn.Conv2d(inDim, 32, 3)
    this.conv2 = new nn.Conv2d(32, 64, 3)
    this.conv3 = new nn.Conv2d(64, 64, 3)
    this.fc1 = new nn.Linear(64 * 4 * 4, 64)
    this.fc2 = new nn.Linear(64, nClass)
  }

  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2) // [N, 32, 15, 15]
    x = F.maxPool2d(F.relu(this.conv2(x)), 2) // [N, 64, 6, 6]
    x = F.relu(this.conv3(x)) // [N, 64, 4, 4]
    x = x.view(x.size(0), -1) // [N, 1024]
    x = F.relu(this.fc1(x))
    return this.fc2(x)
  }
}
