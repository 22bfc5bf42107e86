/** From milliseconds to what is told: medians, GFLOP/s, percent of peak, ratios. Not here: how they are shown (tables.ts). */
import { forwardFlops, stepFlops } from './nets.js'
import type { Task } from './protocol.js'

/** The machine's peak of fused multiply-adds in float32, measured. */
export interface Peak {
  readonly event: 'peak'
  /** native: a C compiler's code; wasm: 128-bit vectors in WebAssembly. */
  readonly device: 'native' | 'wasm'
  readonly bits: number
  readonly threads: number
  readonly gflops: number
}

/** One figure of a participant. `kind` predict: a step is a batch's logits. */
export interface Measurement {
  readonly event: 'bench'
  readonly kind: 'train' | 'predict'
  readonly net: string
  readonly who: string
  readonly threads: number
  readonly batch: number
  readonly width: number
  readonly medianStepMs: number
  /** The fastest and slowest tenth begin here: how noisy the machine was. */
  readonly p10Ms: number
  readonly p90Ms: number
  readonly steps: number
  readonly imagesPerSecond: number
  /** The most memory that the participant's process had, all it did before included; null where it does not tell. */
  readonly peakMB: number | null
  /** Operations counted densely, whoever skips some. */
  readonly gflops: number
  /** Of the peak of the participant's vectors with as many threads; null where that is unknown. */
  readonly percentOfFmaPeak: number | null
  /** Who `times` compares with: PyTorch's best mode, or onnxruntime, at the same work with as many threads; or null. */
  readonly against: string | null
  /** How many times faster than `against`. */
  readonly times: number | null
}

/** A participant that could not be measured, and why. */
export interface Skipped {
  readonly event: 'skipped'
  readonly net: string
  readonly who: string
  readonly threads: number
  readonly reason: string
}

/** A kernel of ours in a training step. */
export interface KernelFigure {
  readonly event: 'kernel'
  readonly net: string
  readonly who: string
  readonly threads: number
  readonly kernel: string
  readonly us: number
  readonly gflops: number | null
  readonly percentOfFmaPeak: number | null
}

/** The value at a fraction of the sorted values: 0.5 is the median. NaN of nothing. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * fraction
  const [low, high] = [sorted[Math.floor(at)] ?? NaN, sorted[Math.ceil(at)] ?? NaN]
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** So many significant digits, as a number. */
export const rounded = (value: number, digits = 4): number => Number(value.toPrecision(digits))

/** Whose vectors a participant computes with. */
const deviceOf = (who: string): Peak['device'] => (/wasm|jax-js/.test(who) ? 'wasm' : 'native')

/** The best peak of that device with as many threads, over all widths; undefined where it was not measured. */
export function peakFor(peaks: readonly Peak[], who: string, threads: number): number | undefined {
  const fitting = peaks.filter((peak) => peak.device === deviceOf(who) && peak.threads === threads)
  return fitting.length === 0 ? undefined : Math.max(...fitting.map(({ gflops }) => gflops))
}

const percentOf = (gflops: number, peak: number | undefined): number | null =>
  peak === undefined ? null : rounded((100 * gflops) / peak, 3)

/** What was measured of a participant. */
interface Figures {
  readonly ms: readonly number[]
  readonly peakMB?: number | null
}

/** The figures of a participant's steps; `against` and `times` come when all are known. */
export function figure(task: Task, who: string, { ms, peakMB }: Figures, peaks: readonly Peak[]): Measurement {
  const step = median(ms)
  const count = task.kind === 'train' ? stepFlops : forwardFlops
  const gflops = count(task.layers, task.batch, task.side) / step / 1e6
  return {
    event: 'bench',
    kind: task.kind,
    net: task.net,
    who,
    threads: task.threads,
    batch: task.batch,
    width: task.width,
    medianStepMs: rounded(step),
    p10Ms: rounded(quantile(ms, 0.1)),
    p90Ms: rounded(quantile(ms, 0.9)),
    steps: ms.length,
    imagesPerSecond: Math.round((1000 * task.batch) / step),
    peakMB: peakMB ?? null,
    gflops: rounded(gflops),
    percentOfFmaPeak: percentOf(gflops, peakFor(peaks, who, task.threads)),
    against: null,
    times: null,
  }
}

const sameWork = (a: Measurement, b: Measurement): boolean =>
  a.kind === b.kind && a.net === b.net && a.threads === b.threads && a.batch === b.batch && a.width === b.width

/** What the same work is compared with: PyTorch's fastest mode, or onnxruntime for inference; if it was measured. */
function reference(all: readonly Measurement[], like: Measurement): Measurement | undefined {
  const prefix = like.kind === 'train' ? 'torch-' : 'onnxruntime'
  return all
    .filter((other) => other.who.startsWith(prefix) && sameWork(like, other))
    .toSorted((a, b) => a.medianStepMs - b.medianStepMs)[0]
}

/** The same measurements, with `against` and `times`. */
export function withRatios(all: readonly Measurement[]): Measurement[] {
  return all.map((each) => {
    const other = reference(all, each)
    if (!other) return each
    return { ...each, against: other.who, times: rounded(other.medianStepMs / each.medianStepMs, 3) }
  })
}

/** A kernel's time as figures. */
export function kernelFigure(
  of: Pick<KernelFigure, 'net' | 'who' | 'threads'>,
  time: { readonly name: string; readonly us: number; readonly flops: number },
  peaks: readonly Peak[],
): KernelFigure {
  const gflops = time.flops > 0 ? time.flops / time.us / 1e3 : null
  return {
    event: 'kernel',
    ...of,
    kernel: time.name,
    us: rounded(time.us),
    gflops: gflops === null ? null : rounded(gflops),
    percentOfFmaPeak: gflops === null ? null : percentOf(gflops, peakFor(peaks, of.who, of.threads)),
  }
}
