/** The library's door: what the article's program imports, its log lines, and a small program from end to end. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as lenet from '../../src/index.js'

const { data, F, nn, noGrad, optim, setLogger, taskTime, tensor, torch, utils } = lenet
const folder = mkdtempSync(join(tmpdir(), 'lenet-library-'))
after(() => rmSync(folder, { recursive: true }))

test('everything that the article imports is there', () => {
  const names = ['nn', 'F', 'optim', 'data', 'transforms', 'datasets', 'manualSeed', 'taskTime', 'tensor', 'noGrad']
  for (const name of [...names, 'utils', 'torch', 'save', 'load', 'LeNet', 'LeNet1']) assert.ok(name in lenet, name)
})

async function logged(body: () => unknown): Promise<string[]> {
  const lines: string[] = []
  const before = setLogger((line) => lines.push(line))
  try {
    await body()
  } finally {
    setLogger(before)
  }
  return lines
}

const finish = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: INFO: finish work \[elapsed time: \d+\.\d\d seconds\]$/

test('taskTime tells start and finish: as a block, around a function, around a promise', async () => {
  const block = await logged(() => {
    using task = taskTime('work', true)
    assert.ok(task.elapsedTime() >= 0)
  })
  assert.equal(block.length, 2)
  assert.match(block[0] ?? '', /: INFO: start work$/)
  assert.match(block[1] ?? '', finish)
  const called = await logged(() =>
    assert.equal(
      taskTime('work', false, () => 7),
      7,
    ),
  )
  assert.equal(called.length, 1)
  assert.match(called[0] ?? '', finish)
  const waited = await logged(async () => {
    const promise = taskTime('work', true, async () => new Promise((resolve) => setTimeout(resolve, 5)))
    await promise
  })
  assert.equal(waited.length, 2)
  const failed = await logged(() =>
    assert.throws(
      () =>
        taskTime('work', true, () => {
          throw new Error('no')
        }),
      /no/,
    ),
  )
  assert.match(failed[1] ?? '', finish)
})

class Net extends nn.Module {
  readonly conv = new nn.Conv2d(1, 4, 3)
  readonly fc = new nn.Linear(4 * 3 * 3, 2)
  forward(x: lenet.Tensor): lenet.Tensor {
    x = F.maxPool2d(F.relu(this.conv(x)), 2)
    return this.fc(x.view(x.size(0), -1))
  }
}

/** Bright pictures are of class 1, dark ones of class 0. */
function pictures(count: number): lenet.data.TensorDataset {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2)
  const values = torch.rand([count, 1, 8, 8]).toTypedArray()
  const inputs = Float32Array.from(values, (value, i) => value * 0.5 + 0.4 * (labels[Math.floor(i / 64)] ?? 0))
  return new data.TensorDataset(tensor(inputs, { shape: [count, 1, 8, 8] }), tensor(labels))
}

test('the article in small: train, save, load, evaluate', () => {
  lenet.manualSeed(1)
  let net = new Net()
  const loader = new data.DataLoader(pictures(90), { batchSize: 16, shuffle: true, numWorkers: 2 })
  const criterion = new nn.CrossEntropyLoss()
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 })
  const losses: number[] = []
  for (let epoch = 0; epoch < 8; epoch++) {
    let runningLoss = tensor(0)
    let numCorrect = 0
    for (const batch of loader) {
      const [inputs, labels] = batch
      const outputs = net(inputs)
      const loss = criterion(outputs, labels)
      const [, predicted] = torch.max(outputs.data, 1)
      numCorrect += predicted.eq(labels).sum().item()
      runningLoss = runningLoss.add(loss)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      runningLoss = runningLoss.add(loss.item())
    }
    losses.push(runningLoss.div(2 * loader.length).item())
    assert.ok(numCorrect >= 30 && numCorrect <= 90)
  }
  assert.ok((losses.at(-1) ?? 9) < 0.3 * (losses[0] ?? 0), losses.join())

  const path = join(folder, 'model/net.pth')
  torch.save(net.stateDict(), path)
  net = new Net()
  net.loadStateDict(torch.load(path))
  net.eval()
  const accuracy = noGrad(() => {
    let correct = 0
    for (const { inputs, labels } of loader) correct += torch.max(net(inputs), 1).indices.eq(labels).sum().item()
    return correct / 90
  })
  assert.ok(accuracy > 0.95, String(accuracy))
})

test('pictures are shown: a grid, as a PNG file', async () => {
  const [batch] = new data.DataLoader(pictures(8), { batchSize: 8 })
  assert.ok(batch)
  const grid = utils.makeGrid(batch.inputs, { nrow: 4 })
  assert.deepEqual([...grid.size()], [3, 22, 42])
  const path = join(folder, 'grid.png')
  await utils.saveImage(grid, path)
  assert.equal(readFileSync(path).subarray(1, 4).toString(), 'PNG')
})
