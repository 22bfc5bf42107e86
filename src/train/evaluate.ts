/** Loss and accuracy of a net on a data set. Not here: which sets and nets (cli). */
import { Generator, pauser } from '../base/index.js'
import { DataLoader, type Dataset } from '../data/index.js'
import { F, nn, picturesAtOnce } from '../nn/index.js'
import { noGrad, ops, type Tensor } from '../tensor/index.js'

export type Net = nn.Module & ((x: Tensor) => Tensor)

export interface Evaluation {
  readonly loss: number // the mean over pictures
  readonly accuracy: number
  readonly count: number
}

/** Pictures at a time, where memory allows it: it does not change the result, only speed and memory. */
const mostAtOnce = 256

/**
 * Evaluates in eval mode, without gradients and without touching the training's random numbers.
 * @param activation what makes probabilities of the outputs. `softmax` (default): cross-entropy, and the largest output is
 *   the answer. `sigmoid` and `none` of one output: binary cross-entropy, and the answer is class 1 where its probability is
 *   above ½; of several: the mean of their binary cross-entropies, and the largest is the answer.
 */
export async function evaluateNet(
  net: Net,
  set: Dataset,
  onBatch: (done: number, of: number) => void = () => {},
  activation: 'softmax' | 'sigmoid' | 'none' = 'softmax',
): Promise<Evaluation> {
  const wasTraining = net.training
  net.eval()
  try {
    return await evaluateAll(net, set, onBatch, activation)
  } finally {
    net.train(wasTraining)
  }
}

async function evaluateAll(
  net: Net,
  set: Dataset,
  onBatch: (done: number, of: number) => void,
  activation: 'softmax' | 'sigmoid' | 'none',
): Promise<Evaluation> {
  const judge = activation === 'softmax' ? judgeClasses : judgeLabels(activation)
  const pause = pauser()
  const [first] = set.rows(ops.hostLeaf(Int32Array.of(0), [1], 'i32')) // its shape: nothing is computed
  const batchSize = picturesAtOnce(net, first.shape.slice(1), mostAtOnce)
  const loader = new DataLoader(set, { batchSize, generator: new Generator(0) })
  let [loss, correct, count, batch] = [0, 0, 0, 0]
  for (const [inputs, labels] of loader) {
    const [right, losses, per] = noGrad(() => judge(net(inputs), labels))
    const [found, sum] = await Promise.all([right, losses])
    correct += found
    loss += sum / per
    count += labels.size(0)
    onBatch(++batch, loader.length)
    await pause()
  }
  return { loss: loss / count, accuracy: correct / count, count }
}

const sumOfLosses = new nn.CrossEntropyLoss({ reduction: 'sum' })

/** How many are right, and the sum of so many losses a picture. */
type Judge = (
  outputs: Tensor,
  labels: Tensor,
) => readonly [correct: Promise<number>, losses: Promise<number>, per: number]

const judgeClasses: Judge = (outputs, labels) => {
  const correct = outputs.max(1).indices.eq(labels).sum().itemAsync()
  return [correct, sumOfLosses(outputs, labels).itemAsync(), 1]
}

/** Outputs are each of a label for itself; a single one, [N] or [N, 1], is of class 1 of two. */
const judgeLabels =
  (activation: 'sigmoid' | 'none'): Judge =>
  (outputs, labels) => {
    const isSingle = outputs.dim() === 1 || outputs.size(1) === 1
    const count = isSingle ? 1 : outputs.size(1)
    const given = isSingle ? outputs.view(-1) : outputs
    const wanted = isSingle ? labels.to('f32') : F.oneHot(labels, count)
    const isSure = given.gt(activation === 'sigmoid' ? 0 : 0.5).to('i32')
    const correct = (isSingle ? isSure : given.max(1).indices).eq(labels.to('i32')).sum().itemAsync()
    const losses =
      activation === 'sigmoid'
        ? F.binaryCrossEntropyWithLogits(given, wanted, { reduction: 'sum' })
        : F.binaryCrossEntropy(given.clamp(0, 1), wanted, { reduction: 'sum' })
    return [correct, losses.itemAsync(), count]
  }
