/**
 * Our own participant: the only file of the benchmark that knows this library from inside. `--profile` as last word
 * prints the time by kernel as a line of JSON and ends. Not here: what is said (answering.node.ts).
 */
import { LenetError } from '../base/index.js'
import { DataLoader, type Batch } from '../data/index.js'
import { LeNet, LeNet1 } from '../models/index.js'
import { compileInference, nn, optim, type Layer } from '../nn/index.js'
import { allPlans, compileStep, device, manualSeed, setDevice, type Tensor } from '../tensor/index.js'
import { participate, type Stepper } from './answering.node.js'
import { median } from './figures.js'
import type { LayerSpec } from './nets.js'
import { blobs } from './pictures.js'
import type { KernelTime, Task } from './protocol.js'

type Net = nn.Module & ((x: Tensor) => Tensor)

/** Chooses what computes, before anything is computed, and waits until it works at full speed. */
async function choose({ mode, threads }: Task): Promise<void> {
  if (mode !== 'native' && mode !== 'wasm') throw new LenetError(`there is no device ${mode} to measure`)
  setDevice(mode, { threads })
  await device().ready()
  if (device().threads !== threads) throw new LenetError(`${threads} threads cannot be had here`)
}

function layerOf(layer: LayerSpec): Layer[] {
  if (layer.op === 'linear') return [new nn.Linear(layer.in, layer.out), ...(layer.relu ? [new nn.ReLU()] : [])]
  const pool = layer.pool ? [new nn.MaxPool2d(2)] : []
  return [new nn.Conv2d(layer.in, layer.out, layer.kernel), new nn.ReLU(), ...pool]
}

/** The article's classes; wider nets as a chain of the same layers. */
function netOf({ net, width, layers }: Task): Net {
  manualSeed(1)
  if (width === 1) return net === 'lenet' ? new LeNet(3, 10) : new LeNet1(3, 10)
  const flat = layers.findIndex(({ op }) => op === 'linear')
  return new nn.Sequential(
    ...layers.slice(0, flat).flatMap(layerOf),
    new nn.Flatten(),
    ...layers.slice(flat).flatMap(layerOf),
  )
}

function* endless(batch: number): Generator<Batch, never> {
  const loader = new DataLoader(blobs(), { batchSize: batch, shuffle: true, dropLast: true })
  for (;;) yield* loader
}

/** A whole step as `lenet train` does it: batch, forward, loss, backward, Adam; the loss is read. */
function trainStep(task: Task): () => void {
  const net = netOf(task)
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
  const criterion = new nn.CrossEntropyLoss()
  const batches = endless(task.batch)
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
  const predict = compileInference(net, { inputShape: [3, 32, 32] })
  const pictures = Float32Array.from({ length: task.batch * 3072 }, () => 2 * Math.random() - 1)
  return () => void predict(pictures)
}

/** Plans that ran in most of the steps. */
function busyPlans(): ReturnType<typeof allPlans> {
  const most = allPlans().reduce((runs, plan) => Math.max(runs, plan.runs), 0)
  return allPlans().filter((plan) => plan.runs > most / 2)
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
