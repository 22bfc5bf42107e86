/**
 * A program that is bundled: `server.mjs DEVICE FOLDER` trains for some steps, saves into the folder and prints in one line
 * what became of it. No await at its top: a CommonJS bundle has none.
 */
import { closeDevice, device, LeNet, loadModel, manualSeed, nn, optim, saveModel, setDevice, torch } from 'lenet'

const [, , name, folder] = process.argv
let made = 0
let ended = 0
process.on('worker', (worker) => {
  made++
  worker.on('exit', () => ended++)
})

async function train() {
  setDevice(name, { threads: 2 })
  manualSeed(1)
  const net = new LeNet(3)
  const optimizer = new optim.Adam(net.parameters())
  const criterion = new nn.CrossEntropyLoss()
  const x = torch.randn([32, 3, 32, 32])
  const y = torch.tensor(
    Array.from({ length: 32 }, (_, i) => i % 10),
    { dtype: 'u8' },
  )
  let last = NaN
  for (let i = 0; i < 20; i++) {
    const loss = criterion(net(x), y)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    if (i % 5 === 4) last = loss.item()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { net, last }
}

async function main() {
  const { net, last } = await train()
  const files = ['net.pth', 'net.onnx', 'net.keras', 'net.safetensors']
  for (const file of files) await saveModel(net, `${folder}/${file}`, { inputShape: [3, 32, 32] })
  for (const file of files.slice(0, 3)) await loadModel(`${folder}/${file}`)
  const { kind, threads, notices } = device()
  const workers = { made, ended }
  await closeDevice()
  console.log(JSON.stringify({ last, kind, threads, notices, workers }))
}

main().catch((error) => {
  console.log(JSON.stringify({ error: error.message }))
})
