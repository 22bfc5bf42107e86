/** The benchmark's results as text tables. Not here: figures (figures.ts), pictures (bench/plots). */
import { formatTable, type Cell } from '../report/index.js'
import type { KernelFigure, Measurement, Peak, Skipped } from './figures.js'
import type { PlanFigure, ShareFigure } from './shares.js'

const fixed = (value: number, digits: number): string => value.toFixed(digits)
const milliseconds = (ms: number): string => fixed(ms, ms < 10 ? 3 : ms < 1000 ? 1 : 0)
const percent = (value: number | null): string => (value === null ? '' : `${fixed(value, 0)} %`)
const times = (value: number | null): string => (value === null ? '' : `${fixed(value, value < 0.1 ? 3 : 2)} ×`)
const threadText = (threads: number): string => `${threads} ${threads === 1 ? 'thread' : 'threads'}`

const rightFrom = (left: number, columns: number): ('left' | 'right')[] =>
  Array.from({ length: columns }, (_, i) => (i < left ? 'left' : 'right'))

const skippedLines = (skipped: readonly Skipped[]): string[] =>
  skipped.map(({ net, who, threads, reason }) => `not measured: ${net}, ${who}, ${threadText(threads)}: ${reason}`)

/** A table without the columns that nothing was measured for. */
function filledTable(rows: readonly Cell[][], header: readonly string[], align: readonly ('left' | 'right')[]): string {
  const isFilled = (_: unknown, column: number): boolean => rows.some((row) => row[column] !== '')
  const filled = rows.map((row) => row.filter(isFilled))
  return formatTable(filled, { header: header.filter(isFilled), align: align.filter(isFilled) })
}

const stepHeader = ['net', 'who', 'threads', 'ms a step', 'images/s', 'GFLOP/s', 'of peak', 'to PyTorch', 'MB']

/** Participants by net, fastest first. */
export function stepTable(all: readonly Measurement[], skipped: readonly Skipped[]): string {
  const order = (a: Measurement, b: Measurement): number =>
    a.net === b.net ? a.medianStepMs - b.medianStepMs : a.net < b.net ? -1 : 1
  const rows = all
    .toSorted(order)
    .map((m): Cell[] => [
      m.net,
      m.who,
      m.threads,
      milliseconds(m.medianStepMs),
      m.imagesPerSecond,
      fixed(m.gflops, 1),
      percent(m.percentOfFmaPeak),
      times(m.times),
      m.peakMB ?? '',
    ])
  const table = filledTable(rows, stepHeader, rightFrom(2, 9))
  return [table, ...skippedLines(skipped)].join('\n')
}

const growthHeader = ['net', 'batch', 'width', 'threads', 'who', 'ms a step', 'images/s', 'GFLOP/s', 'of peak', 'times']

const fastest = (all: readonly Measurement[], which: (m: Measurement) => boolean): number | null =>
  all.filter(which).reduce<number | null>((best, m) => Math.min(best ?? Infinity, m.medianStepMs), null)

const npmPeers = new Set(['tfjs-cpu', 'tfjs-wasm', 'jax-js'])

/** How many times faster each of ours is than the best of each kind, and than itself with one thread. */
export function ratioTable(all: readonly Measurement[]): string {
  const rows = all
    .filter(({ who }) => who.startsWith('lenet-'))
    .map((m): Cell[] => {
      const same = all.filter(({ net }) => net === m.net)
      const than = (which: (other: Measurement) => boolean): string => {
        const other = fastest(same, which)
        return times(other === null ? null : other / m.medianStepMs)
      }
      return [
        m.net,
        m.who,
        m.threads,
        than(({ who, threads }) => who.startsWith('torch-') && threads === m.threads),
        than(({ who }) => who === 'keras-fit'),
        than(({ who }) => npmPeers.has(who)),
        than(({ who, threads }) => who === m.who && threads === 1),
      ]
    })
  const header = ['net', 'faster', 'threads', 'PyTorch’s best', 'Keras fit', 'best of npm', 'itself, 1 thread']
  return filledTable(rows, header, rightFrom(2, 7))
}

/** How cost grows, or inference: one row a figure, in the order they were measured. */
export function growthTable(all: readonly Measurement[], skipped: readonly Skipped[]): string {
  const rows = all.map((m): Cell[] => [
    m.net,
    m.batch,
    `×${m.width}`,
    m.threads,
    m.who,
    milliseconds(m.medianStepMs),
    m.imagesPerSecond,
    fixed(m.gflops, 1),
    percent(m.percentOfFmaPeak),
    times(m.times),
  ])
  const sides = [...rightFrom(1, 4), 'left', ...rightFrom(0, 5)] as const
  const table = filledTable(rows, growthHeader, sides)
  return [table, ...skippedLines(skipped)].join('\n')
}

/** What is missing beside our own figures, and what is needed to have it: one line; '' where all is there. */
export function missingText(all: readonly Measurement[]): string {
  const lacks = (kind: Measurement['kind'], of: RegExp): boolean =>
    all.some((m) => m.kind === kind) && !all.some((m) => m.kind === kind && of.test(m.who))
  const missing = [
    ...(lacks('train', /^(torch-|keras-)/)
      ? ['PyTorch and Keras: --python PATH, with torch, or tensorflow and keras']
      : []),
    ...(lacks('train', /^(tfjs-|jax-)/) || lacks('predict', /^onnxruntime/)
      ? ['tfjs, jax-js and onnxruntime: --peers, in a clone']
      : []),
  ]
  return missing.length === 0 ? '' : `not measured beside ours: ${missing.join('; ')}`
}

/** Kernels of one net on one device, in the order they run, with their sum. */
export function kernelTable(kernels: readonly KernelFigure[]): string {
  const rows = kernels.map((k): Cell[] => [
    k.kernel,
    fixed(k.us, 1),
    k.gflops === null ? '' : fixed(k.gflops, 1),
    percent(k.percentOfFmaPeak),
  ])
  const total = kernels.reduce((sum, { us }) => sum + us, 0)
  return formatTable([...rows, ['all', fixed(total, 1), '', '']], {
    header: ['kernel', 'µs', 'GFLOP/s', 'of peak'],
    align: rightFrom(1, 4),
  })
}

/** Of one net: its kernels by their part of the work, and the whole. */
export function shareTable(
  shares: readonly ShareFigure[],
  { net, threads, batch, kernels, barriers, largest }: PlanFigure,
): string {
  const rows = shares
    .toSorted((a, b) => b.part - a.part)
    .map((share): Cell[] => [
      share.kernel,
      share.count,
      percent(share.part > 0 ? 100 * share.part : null),
      fixed(share.largest, 2),
    ])
  const title = `${net}, batch ${batch}, ${threadText(threads)}: ${kernels} kernels, ${barriers} barriers`
  const table = formatTable([...rows, ['all', kernels, '', fixed(largest, 2)]], {
    header: ['kernel', 'times', 'of the work', 'largest share / mean'],
    align: rightFrom(1, 4),
  })
  return `${title}\n${table}`
}

export function peakTable(peaks: readonly Peak[]): string {
  const rows = peaks.map((p): Cell[] => [p.device, `${p.bits} bit`, p.threads, fixed(p.gflops, 1)])
  return formatTable(rows, { header: ['FMA peak', 'vectors', 'threads', 'GFLOP/s'], align: rightFrom(1, 4) })
}
