/**
 * Training that changes programs, for check_optimizer.py. `write FOLDER`: for each optimizer three steps, the checkpoint
 * ours_NAME.pth, and the losses of three steps more in ours.json. `read FOLDER`: goes on from theirs_NAME.pth and writes
 * the losses of three steps to read.json.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nn, optim } from '../../../src/nn/index.js'
import { load, save } from '../../../src/nn/save.node.js'
import { manualSeed, tensor, type Tensor } from '../../../src/tensor/index.js'

const [mode, folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: node trainOnward.js write|read FOLDER')

const wave = (rows: number, columns: number, step: number): number[][] =>
  Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => Math.sin(step * (i * columns + j + 1))),
  )
const [x, y] = [tensor(wave(8, 5, 0.7)), tensor(wave(8, 3, 0.3))]

/** As check_optimizer.py builds them. */
const optimizers = {
  adam: (p: Iterable<Tensor>) => new optim.Adam(p, { lr: 0.01, betas: [0.8, 0.99] }),
  adamw: (p: Iterable<Tensor>) => new optim.AdamW(p, { lr: 0.02, weightDecay: 0.1, amsgrad: true }),
  sgd: (p: Iterable<Tensor>) => new optim.SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true }),
} as const

function start(): nn.Sequential {
  manualSeed(3)
  return new nn.Sequential(new nn.Linear(5, 6), new nn.Sigmoid(), new nn.Linear(6, 3))
}

type Optimizer = ReturnType<(typeof optimizers)[keyof typeof optimizers]>

function threeSteps(net: nn.Sequential, optimizer: Optimizer): number[] {
  return [0, 1, 2].map(() => {
    optimizer.zeroGrad()
    const difference = net(x).sub(y)
    const loss = difference.mul(difference).mean()
    loss.backward()
    optimizer.step()
    return loss.item()
  })
}

const losses: Record<string, number[]> = {}
for (const [name, make] of Object.entries(optimizers)) {
  const net = start()
  const optimizer = make(net.parameters())
  if (mode === 'write') {
    threeSteps(net, optimizer)
    save({ model: net.stateDict(), optimizer: optimizer.stateDict() }, join(folder, `ours_${name}.pth`))
  } else {
    const loaded = load(join(folder, `theirs_${name}.pth`))
    if (!(loaded instanceof Map)) throw new Error(`theirs_${name}.pth is no dict`)
    net.loadStateDict(loaded.get('model'))
    optimizer.loadStateDict(loaded.get('optimizer'))
  }
  losses[name] = threeSteps(net, optimizer)
}
writeFileSync(join(folder, mode === 'write' ? 'ours.json' : 'read.json'), JSON.stringify(losses))
