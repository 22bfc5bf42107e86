/** Loss and accuracy of a net on a data set. Not here: which sets and nets (cli). */
import { Generator, pauser } from '../base/index.js'
import { DataLoader, type Dataset } from '../data/index.js'
import { nn, picturesAtOnce } from '../nn/index.js'
import { noGrad, ops, type Tensor } from '../tensor/index.js'

export type Net = nn.Module & ((x: Tensor) => Tensor)

export interface Evaluation {
  readonly loss: number // the mean over pictures
  readonly accuracy: number
  readonly count: number
}

/** Pictures at a time, where memory allows it: it does not change the result, only speed and memory. */
const mostAtOnce = 256

/** Evaluates in eval mode, without gradients and without touching the training's random numbers. */
export async function evaluateNet(
  net: Net,
  set: Dataset,
  onBatch: (done: number, of: number) => void = () => {},
): Promise<Evaluation> {
  const wasTraining = net.training
  net.eval()
  try {
    return await evaluateAll(net, set, onBatch)
  } finally {
    net.train(wasTraining)
  }
}

async function evaluateAll(net: Net, set: Dataset, onBatch: (done: number, of: number) => void): Promise<Evaluation> {
  const pause = pauser()
  const [first] = set.rows(ops.hostLeaf(Int32Array.of(0), [1], 'i32')) // its shape: nothing is computed
  const batchSize = picturesAtOnce(net, first.shape.slice(1), mostAtOnce)
  const loader = new DataLoader(set, { batchSize, generator: new Generator(0) })
  let [loss, correct, count, batch] = [0, 0, 0, 0]
  for (const [inputs, labels] of loader) {
    const part = noGrad(() => evaluateBatch(net, inputs, labels))
    loss += part.loss
    correct += part.correct
    count += labels.size(0)
    onBatch(++batch, loader.length)
    await pause()
  }
  return { loss: loss / count, accuracy: correct / count, count }
}

const sumOfLosses = new nn.CrossEntropyLoss({ reduction: 'sum' })

function evaluateBatch(net: Net, inputs: Tensor, labels: Tensor): { loss: number; correct: number } {
  const outputs = net(inputs)
  const correct = outputs.max(1).indices.eq(labels).sum().item()
  return { correct, loss: sumOfLosses(outputs, labels).item() }
}
