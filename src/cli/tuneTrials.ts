/**
 * A net's training step with other choices than the cost model's: planned, compiled, and timed kernel by kernel.
 * Not here: how times are judged (tuneTiming.ts), what becomes of them (tune.ts).
 */
import { blobs } from '../bench/index.js'
import { DataLoader, type Batch, type Dataset } from '../data/index.js'
import { nn, optim } from '../nn/index.js'
import { cpuPlans, device, forgetPlans, manualSeed } from '../tensor/index.js'
import type { Net } from '../train/index.js'
import type { MakeNet } from '../files/index.js'
import { bestOf, inTurns, least, type Way } from './tuneTiming.js'

/** Gives one of the candidates, or nothing for the first. */
export type Choose = (key: string, candidates: readonly string[]) => string | undefined

type CpuPlan = ReturnType<typeof cpuPlans>[number]

/** A step with choices of its own; it has a net and memory of its own, too. */
export interface Trial {
  readonly net: Net
  readonly plan: CpuPlan
}

let pictures: Dataset | undefined

function* endless(batchSize: number): Generator<Batch, never> {
  const loader = new DataLoader((pictures ??= blobs()), { batchSize, shuffle: true, dropLast: true })
  for (;;) yield* loader
}

/** A step that looks at nothing in between, so that it is one plan. */
function stepOf(net: Net, batchSize: number): () => void {
  const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
  const criterion = new nn.CrossEntropyLoss()
  const batches = endless(batchSize)
  return () => {
    const [inputs, labels] = batches.next().value
    const loss = criterion(net(inputs), labels)
    optimizer.zeroGrad()
    loss.backward()
    optimizer.step()
  }
}

/** Every trial begins with the same weights and sees the same pictures. */
export function makeTrial(make: MakeNet, batchSize: number, choose: Choose): Trial {
  device().tune(choose)
  forgetPlans()
  manualSeed(1)
  const net = make(3, 10)
  const step = stepOf(net, batchSize)
  for (let i = 0; i < 3; i++) step()
  const kernels = (plan: CpuPlan): number => plan.plan.program.kernels.length
  const plan = cpuPlans().reduce((a, b) => (kernels(b) > kernels(a) ? b : a))
  device().tune(null)
  return { net, plan }
}

/** The kernels that were made with a choice. */
const kernelsOf = ({ plan }: Trial, key: string): number[] =>
  plan.plan.choices.flatMap((keys, i) => (keys.includes(key) ? [i] : []))

/** All choices of a step, in the order of its kernels. */
export const choicesOf = ({ plan }: Trial): string[] => [...new Set(plan.plan.choices.flat())]

export const kernelName = ({ plan }: Trial, key: string): string =>
  plan.plan.program.kernels.find((_, i) => plan.plan.choices[i]?.includes(key))?.name ?? key

const kernelWay = ({ plan }: Trial, kernels: readonly number[]): Way => {
  const { executable, table } = plan
  return () => kernels.forEach((index) => executable.runKernel(index, table))
}

export const stepWay =
  ({ plan: { executable, table } }: Trial): Way =>
  () =>
    executable.run(table)

/** What is better for a choice: which trial's, and µs of its kernels with the first trial's choice and with that. */
export interface Found {
  readonly trial: number
  readonly before: number
  readonly after: number
}

const [rounds, confirmingRounds] = [9, 15]
/** µs; a kernel that gains less is left as it is. */
const leastGain = 0.25

/**
 * Times a choice's kernels in all trials that differ there; what seems best is timed once more against the first trial
 * alone, since the best of many is often only lucky. @param trials by number; holes where there is no candidate
 */
export async function bestTrial(trials: readonly Trial[], key: string): Promise<Found> {
  const ways = trials.map((trial) => kernelWay(trial, kernelsOf(trial, key)))
  const first = await inTurns(ways, rounds)
  const trial = bestOf(first)
  const [was, is] = [ways[0], ways[trial]]
  if (trial === 0 || !was || !is) return { trial: 0, before: 1000 * least(first, 0), after: 1000 * least(first, 0) }
  const again = await inTurns([was, is], confirmingRounds)
  const [before, after] = [1000 * least(again, 0), 1000 * least(again, 1)]
  const isBetter = bestOf(again) === 1 && before - after >= leastGain
  return isBetter ? { trial, before, after } : { trial: 0, before, after: before }
}
