/**
 * Milliseconds of a training step (batch 32, Adam), what part of it is JavaScript, and where the rest goes by kernel.
 * node dist/bench/step.js [--net lenet|lenet1] [--python PATH] [--json] [--out FILE]
 * Warm-up is left out, medians are given; with --python PyTorch is timed in turn with us, in the same run.
 * Not here: accuracy, data sets, files.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { allPlans, device } from '../src/tensor/index.js'
import { benchSet, netNames, stepper, type NetName, type StepKind } from './nets.js'
import { fmaPeak } from './peak.js'

const { values: options } = parseArgs({
  options: { net: { type: 'string' }, python: { type: 'string' }, json: { type: 'boolean' }, out: { type: 'string' } },
})

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
const round = (value: number, digits = 3): number => Number(value.toFixed(digits))

interface Measurement {
  readonly event: 'bench'
  readonly net: NetName
  readonly who: string
  readonly threads: number
  readonly medianStepMs: number
  readonly [figure: string]: string | number
}

/** Time spent inside compiled programs so far, counted by wrapping them. */
let insideMs = 0
const wrapped = new WeakSet<object>()
function countInside(): void {
  for (const { executable } of allPlans()) {
    if (wrapped.has(executable)) continue
    wrapped.add(executable)
    const run = executable.run
    executable.run = (table) => {
      const start = performance.now()
      run(table)
      insideMs += performance.now() - start
    }
  }
}

function timeSteps(step: () => number, steps: number): { ms: number[]; js: number[] } {
  const [ms, js]: [number[], number[]] = [[], []]
  for (let i = 0; i < steps; i++) {
    const [start, inside] = [performance.now(), insideMs]
    step()
    const all = performance.now() - start
    ms.push(all)
    js.push(all - (insideMs - inside))
  }
  return { ms, js }
}

const denseFlops = (): number => {
  const busiest = allPlans().reduce((most, plan) => Math.max(most, plan.runs), 0)
  const kernels = allPlans().flatMap((plan) => (plan.runs > busiest / 2 ? plan.plan.program.kernels : []))
  return kernels.reduce((sum, kernel) => sum + kernel.flops(32), 0)
}

function profile(peak: number): void {
  for (const { plan, executable, table, runs } of allPlans()) {
    if (runs < 100) continue
    plan.program.kernels.forEach((kernel, i) => {
      const times = Array.from({ length: 40 }, () => {
        const start = performance.now()
        executable.runKernel(i, table)
        return performance.now() - start
      })
      const us = median(times) * 1e3
      const gflops = kernel.flops(32) / us / 1e3
      const share = gflops > 0 ? `${gflops.toFixed(1).padStart(6)} GFLOP/s ${((100 * gflops) / peak).toFixed(0)} %` : ''
      if (us >= 1) console.log(`  ${kernel.name.padEnd(28)} ${us.toFixed(1).padStart(8)} us ${share}`)
    })
  }
}

/** One net in one process would share plans: the first net's warm-up must not count for the second. */
function measure(net: NetName, kind: StepKind, peak: number): Measurement {
  const step = stepper(net, kind, benchSet())
  const steps = net === 'lenet' ? 2000 : 300
  timeSteps(step, steps)
  countInside()
  timeSteps(step, steps / 10)
  const { ms, js } = timeSteps(step, steps / 2)
  const stepMs = median(ms)
  const gflops = denseFlops() / stepMs / 1e6
  return {
    event: 'bench',
    net,
    who: `lenet-${device().name}-${kind}`,
    threads: 1,
    medianStepMs: round(stepMs),
    jsMs: round(median(js)),
    jsPercent: round((100 * median(js)) / stepMs, 1),
    gflops: round(gflops, 1),
    percentOfFmaPeak: round((100 * gflops) / peak, 1),
  }
}

function torchStep(python: string, net: NetName): Measurement[] {
  const script = new URL('../../bench/torch_step.py', import.meta.url).pathname
  const lines = execFileSync(python, [script, net], { encoding: 'utf8' }).trim().split('\n')
  return lines.map((line) => JSON.parse(line) as Measurement)
}

function show(m: Measurement): void {
  if (options.json) return console.log(JSON.stringify(m))
  const figures = Object.entries(m).filter(([name]) => !['event', 'net', 'who'].includes(name))
  console.log(`${m.net.padEnd(7)} ${m.who.padEnd(24)} ${figures.map(([name, value]) => `${name} ${value}`).join('  ')}`)
}

/** Each measurement runs in a process of its own, in turn with PyTorch's. */
function main(): void {
  const single = process.env['BENCH_ONE']
  if (single) {
    const [net, kind] = single.split(' ') as [NetName, StepKind]
    const peak = fmaPeak()
    console.log(JSON.stringify(measure(net, kind, peak)))
    if (!options.json && kind === 'train') profile(peak)
    return
  }
  const nets = options.net ? netNames.filter((name) => name === options.net) : netNames
  const results: Measurement[] = []
  for (const net of nets) {
    for (const kind of ['train', 'article'] as const) results.push(child(net, kind))
    if (options.python) results.push(...torchStep(options.python, net))
  }
  results.forEach(show)
  const machine = `${cpus()[0]?.model} × ${cpus().length}, Node ${process.version}`
  if (options.out) writeFileSync(options.out, `${JSON.stringify({ machine, results }, null, 1)}\n`)
}

function child(net: NetName, kind: StepKind): Measurement {
  const self = process.argv[1] ?? ''
  const args = options.json ? [self, '--json'] : [self]
  const out = execFileSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, BENCH_ONE: `${net} ${kind}` },
  })
  const [first = '{}', ...rest] = out.split('\n')
  if (rest.length > 1) console.log(`${net}, kernel by kernel:\n${rest.join('\n')}`)
  return JSON.parse(first) as Measurement
}

main()
