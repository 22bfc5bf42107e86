/** A participant's side, for those written in JavaScript: warms up, then answers questions on stdin. Not here: steps. */
import { createInterface } from 'node:readline'
import { messageOf } from '../base/index.js'
import type { Answer, KernelTime, Task } from './protocol.js'

/** Does one step. May say how the time goes by kernel. */
export interface Stepper {
  step(): void | Promise<void>
  kernels?(): readonly KernelTime[]
  readonly facts?: Readonly<Record<string, string>>
}

/** Milliseconds of each step within so many seconds; one step at least. */
async function steps({ step }: Stepper, seconds: number): Promise<number[]> {
  const ms: number[] = []
  const end = performance.now() + 1000 * seconds
  do {
    const start = performance.now()
    const waiting = step()
    if (waiting) await waiting
    ms.push(Number((performance.now() - start).toPrecision(5)))
  } while (performance.now() < end)
  return ms
}

/** Of this process so far. */
const peakMB = (): number => Math.round(process.resourceUsage().maxRSS / 1000)

const say = (answer: Answer): void => void process.stdout.write(`${JSON.stringify(answer)}\n`)

async function reply(line: string, stepper: Stepper): Promise<Answer> {
  const { ask, seconds } = JSON.parse(line) as { ask: string; seconds?: number }
  if (ask === 'measure') return { event: 'steps', ms: await steps(stepper, seconds ?? 1), peakMB: peakMB() }
  if (ask === 'kernels' && stepper.kernels) return { event: 'kernels', kernels: stepper.kernels() }
  return { event: 'failed', reason: `asked for ${ask}, which is not known here` }
}

/** Runs a participant until its stdin ends; the task is its last argument. */
export async function participate(make: (task: Task) => Stepper | Promise<Stepper>): Promise<void> {
  try {
    const task = JSON.parse(process.argv.at(-1) ?? '') as Task
    const stepper = await make(task)
    await steps(stepper, task.warmSeconds)
    say({ event: 'ready', facts: stepper.facts ?? {} })
    for await (const line of createInterface({ input: process.stdin })) say(await reply(line, stepper))
    process.stdout.write('', () => process.exit(0))
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ event: 'failed', reason: messageOf(error) })}\n`, () => process.exit(1))
  }
}
