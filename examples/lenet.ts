/**
 * The article's program: LeNet on CIFAR-10 in PyTorch's idiom, from the pictures to the accuracy. After `npm ci`:
 * node dist/examples/lenet.js [epochs]
 */
import { mkdirSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { data, datasets, F, Generator, nn, noGrad, optim, taskTime, torch, transforms, utils } from 'lenet'
import type { Dataset, Tensor } from 'lenet'
import { askedEpochs } from './epochs.js'

export class LeNet extends nn.Module {
  conv1: nn.Conv2d
  conv2: nn.Conv2d
  fc1: nn.Linear
  fc2: nn.Linear
  fc3: nn.Linear

  constructor(inDim = 1, nClass = 10) {
    super()
    this.conv1 = new nn.Conv2d(inDim, 6, 5)
    this.conv2 = new nn.Conv2d(6, 16, 5)
    this.fc1 = new nn.Linear(16 * 5 * 5, 120)
    this.fc2 = new nn.Linear(120, 84)
    this.fc3 = new nn.Linear(84, nClass)
  }

  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.conv1(x)), 2)
    x = F.maxPool2d(F.relu(this.conv2(x)), 2)
    x = x.view(x.size(0), -1)
    x = F.relu(this.fc1(x))
    x = F.relu(this.fc2(x))
    return this.fc3(x)
  }
}

type Net = nn.Module & ((x: Tensor) => Tensor)

/** Outputs, loss and the number of right answers of a batch. */
function forward(net: Net, inputs: Tensor, labels: Tensor, criterion: nn.CrossEntropyLoss) {
  const outputs = net(inputs)
  const loss = criterion(outputs, labels)
  const [, predicted] = torch.max(outputs.data, 1)
  const correct = predicted.eq(labels).sum().item()
  return { outputs, loss, correct }
}

function computeAccuracy(net: Net, loader: data.DataLoader, criterion: nn.CrossEntropyLoss): number {
  using _ = noGrad()
  let [numCorrect, total] = [0, 0]
  for (const [inputs, labels] of loader) {
    numCorrect += forward(net, inputs, labels, criterion).correct
    total += labels.size(0)
  }
  return numCorrect / total
}

function train(
  net: Net,
  criterion: nn.CrossEntropyLoss,
  loader: data.DataLoader,
  optimizer: optim.Adam,
  epochs = 2,
): void {
  for (let epoch = 0; epoch < epochs; epoch++) {
    let [runningLoss, numCorrect, seen, i] = [0, 0, 0, 0]
    for (const [inputs, labels] of loader) {
      const { loss, correct } = forward(net, inputs, labels, criterion)
      numCorrect += correct
      seen += labels.size(0)

      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()

      runningLoss += loss.item()
      if (++i % 500 === 0) {
        const accuracy = ((100 * numCorrect) / seen).toFixed(1)
        console.log(
          `[${epoch + 1}, ${String(i).padStart(5)}] loss: ${(runningLoss / 500).toFixed(3)}, accuracy: ${accuracy}`,
        )
        ;[runningLoss, numCorrect, seen] = [0, 0, 0]
      }
    }
  }
}

export async function extractData() {
  const task = taskTime('get the data', true)
  const normalize = transforms.normalize({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] })
  const transform = transforms.compose([transforms.toTensor(), normalize])
  const trainset = await datasets.cifar10({ train: true, transform })
  const testset = await datasets.cifar10({ train: false, transform })
  task.finish()
  const trainloader = new data.DataLoader<Dataset>(trainset, { batchSize: 32, shuffle: true })
  const testloader = new data.DataLoader<Dataset>(testset, { batchSize: 32 })
  const classes = ['plane', 'car', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']

  using _ = taskTime('show sample pictures', true)
  // From a generator of its own: training draws the same numbers whether samples are shown or not.
  const samples = new data.DataLoader(trainset, { batchSize: 32, shuffle: true, generator: new Generator(1) })
  for (const [images, labels] of samples) {
    console.log(images.size())
    console.log(Array.from(labels.slice(0, 8).toTypedArray(), (label) => classes[label]?.padStart(5)).join(' '))
    const grid = utils.makeGrid(images.slice(0, 8))
    await utils.saveImage(grid.div(2).add(0.5), 'samples.png') // unnormalized
    break
  }
  return { trainloader, testloader }
}

export function trainAndEvaluate(
  net: Net,
  loaders: Awaited<ReturnType<typeof extractData>>,
  epochs: number,
  reload?: () => Net,
): void {
  taskTime('show the parameters', true, () => {
    const params = [...net.parameters()]
    console.log(params.length)
    for (const param of params) console.log(param.size())
  })

  const criterion = new nn.CrossEntropyLoss()
  taskTime('train the model', true, () => {
    const optimizer = new optim.Adam(net.parameters(), {
      lr: 0.001,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0,
      amsgrad: false,
    })
    train(net, criterion, loaders.trainloader, optimizer, epochs)
  })

  if (reload) {
    taskTime('save and load the model', true, () => {
      const folder = join(homedir(), '.pytorch/model')
      mkdirSync(folder, { recursive: true })
      const path = join(folder, 'torch_lenet.pth')
      torch.save(net.stateDict(), path)
      net = reload()
      net.loadStateDict(torch.load(path))
    })
  }

  taskTime('evaluate the model', true, () => {
    const trainAccuracy = computeAccuracy(net, loaders.trainloader, criterion)
    const testAccuracy = computeAccuracy(net, loaders.testloader, criterion)
    console.log(
      `Train Accuracy: ${(100 * trainAccuracy).toFixed(1)}%, Test Accuracy: ${(100 * testAccuracy).toFixed(1)}%`,
    )
  })
}

// The real path: a folder on the way may be a link (/tmp on a Mac).
if (realpathSync(process.argv[1] ?? '.') === fileURLToPath(import.meta.url)) {
  torch.manualSeed(1)
  const loaders = await extractData()
  const net = taskTime('create the model', true, () => new LeNet(3, 10))
  console.log(net)
  trainAndEvaluate(net, loaders, askedEpochs(), () => new LeNet(3, 10))
}
