/**
 * Training that changes programs, for check_optimizer.py. `write FOLDER`: for each optimizer five steps of LeNet, the
 * checkpoint ours_NAME.pth, and the losses of five steps more in ours.json. `read FOLDER`: goes on from theirs_NAME.pth and
 * writes the losses of five steps to read.json.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LeNet } from '../../../src/models/index.js'
import { F, optim } from '../../../src/nn/index.js'
import { load, save } from '../../../src/nn/save.node.js'
import { manualSeed, tensor, type Tensor } from '../../../src/tensor/index.js'
import { peerPictures } from './peerNets.js'

const [mode, folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node trainOnward.js write|read FOLDER')

const x = peerPictures(8)
const y = tensor(Int32Array.from({ length: 8 }, (_, i) => i))

/** As check_optimizer.py builds them. */
const optimizers = {
  adam: (p: Iterable<Tensor>) => new optim.Adam(p, { lr: 1e-3, betas: [0.8, 0.99] }),
  adamw: (p: Iterable<Tensor>) => new optim.AdamW(p, { lr: 1e-3, weightDecay: 0.1, amsgrad: true }),
  sgd: (p: Iterable<Tensor>) => new optim.SGD(p, { lr: 0.05, momentum: 0.9, nesterov: true }),
  rmsprop: (p: Iterable<Tensor>) => new optim.RMSprop(p, { lr: 3e-4, momentum: 0.5, centered: true }),
} as const

type Optimizer = ReturnType<(typeof optimizers)[keyof typeof optimizers]>

function fiveSteps(net: LeNet, optimizer: Optimizer): number[] {
  return [0, 1, 2, 3, 4].map(() => {
    optimizer.zeroGrad()
    const loss = F.crossEntropy(net(x), y)
    loss.backward()
    optimizer.step()
    return loss.item()
  })
}

const losses: Record<string, number[]> = {}
for (const [name, make] of Object.entries(optimizers)) {
  manualSeed(3)
  const net = new LeNet(3)
  const optimizer = make(net.parameters())
  if (mode === 'write') {
    fiveSteps(net, optimizer)
    save({ model: net.stateDict(), optimizer: optimizer.stateDict() }, join(folder, `ours_${name}.pth`))
  } else {
    const loaded = load(join(folder, `theirs_${name}.pth`))
    if (!(loaded instanceof Map)) throw new Error(`theirs_${name}.pth is no dict`)
    net.loadStateDict(loaded.get('model'))
    optimizer.loadStateDict(loaded.get('optimizer'))
  }
  losses[name] = fiveSteps(net, optimizer)
}
writeFileSync(join(folder, mode === 'write' ? 'ours.json' : 'read.json'), JSON.stringify(losses))
