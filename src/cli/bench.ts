/** `lenet bench`: measures the speed of training and inference on this machine, and writes it down. Not here: measuring. */
import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeFileAtomic } from '../base/fs.node.js'
import { LenetError, UsageError, messageOf } from '../base/index.js'
import * as bench from '../bench/index.js'
import { installPackages } from '../bench/lineup.node.js'
import { benchFile, hasBenchFile } from '../bench/places.node.js'
import { runBench, type BenchResult } from '../bench/run.node.js'
import { createOutput, type Output } from './output.js'
import { openFolder } from './trainShared.js'

export interface BenchFlags {
  readonly json?: boolean
  /** One short round and fewer sizes. */
  readonly quick?: boolean
  /** A Python with torch, or tensorflow and keras. */
  readonly python?: string
  /** Of `netNames`, with commas between; default the article's two. */
  readonly net?: string
  /** How evenly threads share the work of a step, of plans that are not run. */
  readonly plan?: boolean
  /** For `plan`; default all cores. */
  readonly threads?: number
  /** Of train, kernels, batch, width, threads and predict, with commas between; default all. */
  readonly part?: string
  readonly rounds?: number
  /** Also what npm installs, in a clone. */
  readonly peers?: boolean
  /** A folder for the results and the plots; default: nothing is written. */
  readonly out?: string
}

type Figure = bench.Measurement | bench.KernelFigure | bench.Skipped

function oneOf<T extends string>(flag: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text)
  if (found === undefined) throw new UsageError(`${flag} ${text}: there are ${known.join(', ')}`)
  return found
}

const netsOf = (text: string): bench.NetName[] => text.split(',').map((name) => oneOf('--net', name, bench.netNames))

function planFor({ quick, net, part, rounds }: BenchFlags): bench.BenchPlan {
  return bench.planOf(
    {
      ...(quick === undefined ? {} : { quick }),
      ...(net === undefined ? {} : { nets: netsOf(net) }),
      ...(part === undefined ? {} : { parts: part.split(',').map((name) => oneOf('--part', name, bench.parts)) }),
      ...(rounds === undefined ? {} : { rounds }),
    },
    availableParallelism(),
  )
}

const isMeasurement = (figure: Figure): figure is bench.Measurement => figure.event === 'bench'
const isKernel = (figure: Figure): figure is bench.KernelFigure => figure.event === 'kernel'
const isSkipped = (figure: Figure): figure is bench.Skipped => figure.event === 'skipped'

/** Each with what is added where ours has somebody to be compared with. */
const titles: Readonly<Record<bench.Part, readonly [title: string, beside: string]>> = {
  train: ['A training step: batch 32, Adam', '; to PyTorch: its best mode with as many threads'],
  kernels: ['Where our time goes, one thread', ''],
  batch: ['By batch size, all threads', '; times: against PyTorch'],
  width: ['By width of the net, all threads', '; times: against PyTorch'],
  threads: ['By threads', '; times: against PyTorch'],
  predict: ['Inference', '; times: against onnxruntime'],
}

function titleOf(part: bench.Part, figures: readonly Figure[]): string {
  const [title, beside] = titles[part]
  return figures.some((figure) => isMeasurement(figure) && figure.against !== null) ? title + beside : title
}

function show(output: Output, part: bench.Part, figures: readonly Figure[]): void {
  figures.forEach((figure) => output.event(figure))
  // the width is that of lenet1 only
  if (figures.length === 0) return output.text(`\n${titles[part][0]}: nothing to measure of these nets\n`)
  const text =
    part === 'train'
      ? `${bench.stepTable(figures.filter(isMeasurement), figures.filter(isSkipped))}\n\n${bench.ratioTable(figures.filter(isMeasurement))}`
      : part === 'kernels'
        ? kernelTables(figures.filter(isKernel))
        : bench.growthTable(figures.filter(isMeasurement), figures.filter(isSkipped))
  output.text(`\n${titleOf(part, figures)}\n${text}\n`)
}

function kernelTables(kernels: readonly bench.KernelFigure[]): string {
  const groups = [...new Set(kernels.map(({ net, who }) => `${net}, ${who}`))]
  const table = (group: string): string =>
    bench.kernelTable(kernels.filter(({ net, who }) => `${net}, ${who}` === group))
  return groups.map((group) => `${group}\n${table(group)}`).join('\n\n')
}

const machineText = ({ machine }: BenchResult): string => {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`)
  const parts = [`${machine.processor} × ${machine.cores}`, `Node ${machine.node}`, machine.compiler ?? 'no C compiler']
  return [...parts, ...versions].join(', ')
}

/** The JSON file's path. */
async function write(result: BenchResult, folder: string, quick: boolean): Promise<string> {
  const path = join(resolve(folder), `${result.machine.date.slice(0, 10)}-bench${quick ? '-quick' : ''}.json`)
  await writeFileAtomic(path, `${JSON.stringify(result, null, 1)}\n`)
  return path
}

/** PNG and SVG beside the JSON file; in a clone only. */
function draw(path: string): void {
  try {
    const script = fileURLToPath(benchFile('plots/plot.mjs'))
    execFileSync(process.execPath, [script, path], { stdio: ['ignore', 'ignore', 'pipe'] })
  } catch (error) {
    throw new LenetError(`drawing ${path} failed: ${messageOf(error).split('\n')[1]}`)
  }
}

/** `--plan`: nothing is run, and nothing written. */
function showShares({ json = false, net, threads = availableParallelism() }: BenchFlags): void {
  const output = createOutput(json)
  for (const name of net === undefined ? bench.articleNets : netsOf(net)) {
    const figures = bench.sharesOf(name, threads)
    figures.forEach((figure) => output.event(figure))
    const whole = figures.find((figure) => figure.event === 'plan')
    const shares = figures.filter((figure) => figure.event === 'share')
    if (whole) output.text(`\n${bench.shareTable(shares, whole)}`)
  }
}

/** Measures, tells, and with `out` writes JSON and plots. Throws UsageError for unknown names. */
export async function benchCommand(flags: BenchFlags): Promise<void> {
  const { json = false, quick = false, python, peers = false, out } = flags
  if (flags.threads !== undefined && !flags.plan)
    throw new UsageError('--threads goes with --plan; a run measures one thread and all')
  if (flags.plan) return showShares(flags)
  const output = createOutput(json)
  const plan = planFor(flags)
  const drawing = out !== undefined && hasBenchFile('plots/plot.mjs')
  if (out !== undefined) openFolder(resolve(out))
  if (drawing) installPackages('plots')
  const result = await runBench(plan, {
    ...(python === undefined ? {} : { python }),
    peers,
    note: (line) => output.info(line),
    onPart: (part, figures) => show(output, part, figures),
  })
  result.peaks.forEach((peak) => output.event(peak))
  output.event(result.machine)
  output.text(`${bench.peakTable(result.peaks)}\n\n${machineText(result)}`)
  const missing = bench.missingText(Object.values(result.measurements).flat())
  if (missing !== '' && plan.parts.some((part) => part !== 'kernels')) output.text(missing)
  if (out === undefined) return
  const path = await write(result, out, quick)
  output.info(`results: ${path}`)
  if (drawing) draw(path)
}
