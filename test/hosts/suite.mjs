/** A user's suite, for jest, vitest and node:test alike: it trains, saves, loads, and says how many threads the process has. */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LeNet, loadModel, nn, optim, saveModel, torch } from 'lenet'

const test = globalThis.test ?? (await import('node:test')).test

test('trains', async () => {
  const net = new LeNet(3)
  const optimizer = new optim.Adam(net.parameters())
  const criterion = new nn.CrossEntropyLoss()
  const x = torch.randn([32, 3, 32, 32])
  const y = torch.tensor(
    Array.from({ length: 32 }, (_, i) => i % 10),
    { dtype: 'u8' },
  )
  const losses = []
  for (let i = 0; i < 20; i++) {
    const loss = criterion(net(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    if (i % 10 === 9) losses.push(loss.item())
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(losses[1] < losses[0], losses.join())
  const status = '/proc/self/status'
  if (process.env.THREADS && existsSync(status))
    appendFileSync(process.env.THREADS, `${/Threads:\s+(\d+)/.exec(readFileSync(status, 'utf8'))[1]}\n`)
})

test('saves and loads, also bytes that Node has read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-suite-'))
  try {
    const net = new LeNet(3)
    for (const name of ['net.pth', 'net.onnx', 'net.keras', 'net.safetensors'])
      await saveModel(net, join(folder, name), { inputShape: [3, 32, 32] })
    await loadModel(join(folder, 'net.pth'))
    await loadModel(join(folder, 'net.keras'))
    const loaded = torch.load(join(folder, 'net.pth'))
    assert.deepEqual([...new LeNet(3).stateDict().keys()], [...loaded.keys()])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('says what is missing', async () => {
  await assert.rejects(loadModel('nofile.pth'), /there is no such file/)
})
