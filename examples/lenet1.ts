/**
 * The article's wider net: three convolutions and fewer weights behind them. The rest is lenet.ts's program.
 * After `npm ci`: node dist/examples/lenet1.js [epochs]
 */
import { F, nn, taskTime, torch } from 'lenet'
import type { Tensor } from 'lenet'
import { extractData, trainAndEvaluate } from './lenet.js'
import { askedEpochs } from './epochs.js'

class LeNet1 extends nn.Module {
  conv1: nn.Conv2d
  conv2: nn.Conv2d
  conv3: nn.Conv2d
  fc1: nn.Linear
  fc2: nn.Linear

  constructor(inDim = 1, nClass = 10) {
    super()
    this.conv1 = new nn.Conv2d(inDim, 32, 3)
    this.conv2 = new nn.Conv2d(32, 64, 3)
    this.conv3 = new nn.Conv2d(64, 64, 3)
    this.fc1 = new nn.Linear(64 * 4 * 4, 64)
    this.fc2 = new nn.Linear(64, nClass)
  }

  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2)
    x = F.maxPool2d(F.relu(this.conv2(x)), 2)
    x = F.relu(this.conv3(x))
    x = x.view(x.size(0), -1)
    x = F.relu(this.fc1(x))
    return this.fc2(x)
  }
}

torch.manualSeed(1)
const loaders = await extractData()
const net = taskTime('create the model', true, () => new LeNet1(3, 10))
console.log(net)
trainAndEvaluate(net, loaders, askedEpochs())
