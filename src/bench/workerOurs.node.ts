/**
 * Our own participant: the only file of the benchmark that knows this library from inside. `--profile` as last word
 * prints the time by kernel as a line of JSON and ends. Not here: what is said (answering.node.ts).
 */
import { LenetError } from '../base/index.js'
import { DataLoader } from '../data/index.js'
import { LeNet, LeNet1 } from '../models/index.js'
import { compileInference, nn, optim } from '../nn/index.js'
import { compileStep, cpuPlans, device, manualSeed, setDevice, type Tensor } from '../tensor/index.js'
import { participate, type Stepper } from './answering.node.js'
import { median } from './figures.js'
import { builtNet, type Net } from './builtNet.js'
import { isArticleNet } from './nets.js'
import { blobs, noise } from './pictures.js'
import type { KernelTime, Task } from './protocol.js'

/** Chooses what computes, before anything is computed, and waits until it works at full speed. */
async function choose({ mode, threads }: Task): Promise<void> {
  if (mode !== 'native' && mode !== 'wasm') throw new LenetError(`there is no device ${mode} to measure`)
  setDevice(mode, { threads })
  await device().ready()
  if (device().threads !== threads) throw new LenetError(`${threads} threads cannot be had here`)
}

/** The article's classes; other nets as a chain of layers. */
function netOf({ net, width, layers }: Task): Net {
  manualSeed(1)
  if (width === 1 && net === 'lenet') return new LeNet(3, 10)
  return width === 1 && net === 'lenet1' ? new LeNet1(3, 10) : builtNet(layers)
}

/** Of an article's net from a loader, as `lenet train` does it; of others two batches in turn, as PyTorch gets them. */
function* endless({ net, batch, side }: Task): Generator<readonly [inputs: Tensor, labels: Tensor], never> {
  if (!isArticleNet(net)) {
    const batches = [noise(batch, side), noise(batch, side)]
    for (;;) yield* batches
  }
  const loader = new DataLoader(blobs(), { batchSize: batch, shuffle: true, dropLast: true })
  for (;;) yield* loader
}

/** A whole step as `lenet train` does it: batch, forward, loss, backward, Adam; the loss is read. */
function trainStep(task: Task): () => void {
  const net = netOf(task)
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
  const criterion = new nn.CrossEntropyLoss()
  const batches = endless(task)
  const step = compileStep((inputs: Tensor, labels: Tensor) => {
    const loss = criterion(net(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
    return [loss]
  })
  return () => {
    const [inputs, labels] = batches.next().value
    step(inputs, labels)[0].item()
  }
}

/** The logits of an array of pictures, as onnxruntime gets and gives them. */
function predictStep(task: Task): () => void {
  const net = netOf(task)
  net.eval()
  const { side, batch } = task
  const predict = compileInference(net, { inputShape: [3, side, side] })
  const pictures = Float32Array.from({ length: batch * 3 * side ** 2 }, () => 2 * Math.random() - 1)
  return () => void predict(pictures)
}

/** Plans that ran in most of the steps. */
function busyPlans(): ReturnType<typeof cpuPlans> {
  const most = cpuPlans().reduce((runs, plan) => Math.max(runs, plan.runs), 0)
  return cpuPlans().filter((plan) => plan.runs > most / 2)
}

const timed = (call: () => void, times: number): number =>
  median(
    Array.from({ length: times }, () => {
      const start = performance.now()
      call()
      return performance.now() - start
    }),
  )

/** What of a step is outside compiled code, in µs. */
function outside(step: () => void): KernelTime {
  let inside = 0
  const undo = busyPlans().map(({ executable }) => {
    const { run } = executable
    executable.run = (table) => {
      const start = performance.now()
      run.call(executable, table)
      inside += performance.now() - start
    }
    return () => (executable.run = run)
  })
  const times = Array.from({ length: 50 }, () => {
    const [start, before] = [performance.now(), inside]
    step()
    return performance.now() - start - (inside - before)
  })
  undo.forEach((put) => put())
  return { name: 'JavaScript around it', us: 1000 * median(times), flops: 0 }
}

function kernels(step: () => void, batch: number): KernelTime[] {
  const times = busyPlans().flatMap(({ plan, executable, table }) =>
    plan.program.kernels.map((kernel, i) => ({
      name: kernel.name,
      us: 1000 * timed(() => executable.runKernel(i, table), 40),
      flops: kernel.flops(batch),
    })),
  )
  return [...times, outside(step)]
}

async function make(task: Task): Promise<Stepper> {
  await choose(task)
  const step = task.kind === 'train' ? trainStep(task) : predictStep(task)
  step()
  const stepper = { step, kernels: () => kernels(step, task.batch) }
  if (!process.argv.includes('--profile')) return stepper
  for (let i = 0; i < 100; i++) step()
  process.stdout.write(`${JSON.stringify(stepper.kernels())}\n`)
  process.exit(0)
}

await participate(make)
