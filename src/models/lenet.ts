/** LeNet for pictures of 32×32, as the article writes it in PyTorch's idiom: 62,006 parameters with 3 channels. */
import { F, nn } from '../nn/index.js'
import type { Tensor } from '../tensor/index.js'

/** [N, inDim, 32, 32] → logits [N, nClass]. */
export class LeNet extends nn.Module {
  conv1: nn.Conv2d
  conv2: nn.Conv2d
  fc1: nn.Linear
  fc2: nn.Linear
  fc3: nn.Linear

  /** @param inDim channels of a picture: 1 (default) for MNIST, 3 for CIFAR-10; nClass: classes, default 10 */
  constructor(inDim = 1, nClass = 10) {
    super()
    this.conv1 = new nn.Conv2d(inDim, 6, 5)
    this.conv2 = new nn.Conv2d(6, 16, 5)
    this.fc1 = new nn.Linear(16 * 5 * 5, 120)
    this.fc2 = new nn.Linear(120, 84)
    this.fc3 = new nn.Linear(84, nClass)
  }

  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2) // [N, 6, 14, 14]
    x = F.maxPool2d(F.relu(this.conv2(x)), 2) // [N, 16, 5, 5]
    x = x.view(x.size(0), -1) // [N, 400]
    x = F.relu(this.fc1(x))
    x = F.relu(this.fc2(x))
    return this.fc3(x)
  }
}
