/**
 * What the benchmarks run: the article's nets on pictures of noise or of a data set, one training step of 32 at a time.
 * Not here: timing (step.ts).
 */
import {
  compileStep,
  Generator,
  LeNet,
  LeNet1,
  manualSeed,
  nn,
  optim,
  transforms,
  ImageDataset,
  DataLoader,
} from '../src/index.js'
import type { Dataset, Tensor } from '../src/index.js'
import { cifar10Classes } from '../src/data/index.js'

export const netNames = ['lenet', 'lenet1'] as const
export type NetName = (typeof netNames)[number]

export const batchSize = 32
const pictures = 4096

/** Pictures with CIFAR-10's shape: smooth blobs, so that gradients are about as sparse as on real ones. */
export function benchSet(): Dataset {
  const generator = new Generator(7)
  const noise = generator.uniform(new Float32Array(pictures * 3 * 64), 0, 255)
  const pixels = new Uint8Array(pictures * 3072)
  for (let plane = 0; plane < pictures * 3; plane++)
    for (let y = 0; y < 32; y++)
      for (let x = 0; x < 32; x++) {
        const coarse = noise[plane * 64 + (y >> 2) * 8 + (x >> 2)] ?? 0
        pixels[plane * 1024 + y * 32 + x] = Math.min(255, coarse * (0.8 + 0.05 * ((x & 3) + (y & 3))))
      }
  const labels = Uint8Array.from({ length: pictures }, () => generator.randomU32() % 10)
  const transform = transforms.compose([transforms.toTensor(), transforms.normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])])
  const shape = { count: pictures, channels: 3, height: 32, width: 32, classes: cifar10Classes }
  return new ImageDataset({ ...shape, pixels, labels }, { transform })
}

/** One way to write a step; each call does the next batch. */
export type StepKind = 'train' | 'article' | 'captured'

/**
 * A function that does one step: 'train' reads the loss after the step, 'article' loss and accuracy in mid-step;
 * 'captured' is 'train' by compileStep.
 */
export function stepper(net: NetName, kind: StepKind, set: Dataset): () => number {
  manualSeed(1)
  const model = net === 'lenet' ? new LeNet(3, 10) : new LeNet1(3, 10)
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 })
  const criterion = new nn.CrossEntropyLoss()
  const batches = endless(new DataLoader(set, { batchSize, shuffle: true }))
  const compiled = compileStep((inputs: Tensor, labels: Tensor) => {
    const loss = criterion(model(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  })
  if (kind === 'captured')
    return () => {
      const [inputs, labels] = batches.next().value
      return compiled(inputs, labels)[0].item()
    }
  return () => {
    const [inputs, labels] = batches.next().value
    const outputs = model(inputs)
    const loss = criterion(outputs, labels)
    if (kind === 'article') {
      outputs.max(1).indices.eq(labels).sum().item()
      loss.item()
    }
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return loss.item()
  }
}

function* endless<T>(loader: Iterable<T>): Generator_<T> {
  for (;;) yield* loader
}
type Generator_<T> = globalThis.Generator<T, never>
