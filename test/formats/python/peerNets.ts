/** The nets, pictures and formats that check_pairs_*.py and the check of TensorFlow.js look at. */
import { LeNet, LeNet1 } from '../../../src/models/index.js'
import { F, nn } from '../../../src/nn/index.js'
import { fromArray, manualSeed, noGrad, type Tensor } from '../../../src/tensor/index.js'

/** Two convolutions with batchNorm and a sum, by the names of torch_nets.py. */
class NormNet extends nn.Module {
  conv1 = new nn.Conv2d(3, 8, 3, { padding: 1, bias: false })
  bn1 = new nn.BatchNorm2d(8)
  conv2 = new nn.Conv2d(8, 12, 3)
  bn2 = new nn.BatchNorm2d(12)
  fc = new nn.Linear(12 * 7 * 7, 10)

  /** [N, 3, 32, 32] → logits [N, 10]. */
  forward(x: Tensor): Tensor {
    x = F.maxPool2d(F.relu(this.bn1(this.conv1(x))), 2) // [N, 8, 16, 16]
    x = F.maxPool2d(F.relu(this.bn2(this.conv2(x))), 2) // [N, 12, 7, 7]
    return this.fc(x.flatten(1))
  }
}

const makers = {
  lenet: () => new LeNet(3),
  lenet1: () => new LeNet1(3),
  norm: () => new NormNet(),
} as const

export type PeerName = keyof typeof makers
export const peerNames: readonly PeerName[] = ['lenet', 'lenet1', 'norm']

/** The first `count` pictures of peers.py, [N, 3, 32, 32]. */
export function peerPictures(count: number): Tensor {
  const values = Float32Array.from({ length: count * 3 * 32 * 32 }, (_, i) => ((37 * i) % 101) / 101)
  return fromArray(values, [count, 3, 32, 32], 'f32')
}

/** A net with weights of its own, and means and variances of pictures that it saw. */
export function peerNet(name: PeerName): ReturnType<(typeof makers)[PeerName]> {
  manualSeed(1)
  const net = makers[name]()
  noGrad(() => net(peerPictures(8)).realize())
  net.eval()
  return net
}

export const peerLogits = (net: (x: Tensor) => Tensor): number[] => [
  ...noGrad(() => net(peerPictures(4))).toTypedArray(),
]
