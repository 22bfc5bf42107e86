/** Lines over whole numbers (epochs) as a part of an SVG, each named at its end. Not here: whole pictures (curves.ts). */
import { at, ink, pointsOf, svgLine, svgText, svgTextWidth } from './svg.js'

export interface Series {
  readonly name: string
  readonly color: string
  /** Default: a full line. */
  readonly dashed?: boolean
  /** Values that are not numbers are left out. */
  readonly points: readonly (readonly [x: number, y: number])[]
}

export interface ChartOptions {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  readonly title: string
  readonly xLabel: string
  readonly series: readonly Series[]
  /** How a value of the vertical axis is written. */
  readonly format: (value: number) => string
}

/** Round numbers from about `low` to about `high`, the outermost not inside them. */
export function niceTicks(low: number, high: number, most = 6): number[] {
  const span = high > low ? high - low : Math.abs(high) || 1
  const power = 10 ** Math.floor(Math.log10(span / most))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => span / size <= most) ?? 10 * power
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9))
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** Whole numbers from `low` to `high`, so many that they are not crowded. */
function wholeTicks(low: number, high: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((size) => (high - low) / size <= 10) ?? 1000
  const first = Math.ceil(low / step) * step
  return Array.from({ length: Math.floor((high - first) / step) + 1 }, (_, i) => first + i * step)
}

/** Heights moved apart so that no two are nearer than `gap`, within the lowest and highest allowed. */
export function spread(heights: readonly number[], gap: number, highest: number): number[] {
  const order = heights.map((_, i) => i).sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0))
  const out = [...heights]
  order.forEach((i, k) => {
    const before = order[k - 1]
    if (before !== undefined) out[i] = Math.max(out[i] ?? 0, (out[before] ?? 0) + gap)
  })
  let limit = highest
  for (const i of order.toReversed()) {
    out[i] = Math.min(out[i] ?? 0, limit)
    limit = (out[i] ?? 0) - gap
  }
  return out
}

const finite = ({ points }: Series): (readonly [number, number])[] => points.filter(([, y]) => Number.isFinite(y))

/** SVG elements of the chart. */
export function lineChart(options: ChartOptions): string[] {
  const series = options.series.filter((one) => finite(one).length > 0)
  const { x, y, width, height, title, xLabel, format } = options
  const right = 16 + Math.max(0, ...series.map(({ name }) => svgTextWidth(name, 13)))
  const box = { left: x + 48, right: x + width - right, top: y + 34, bottom: y + height - 44 }
  const all = series.flatMap(finite)
  const [xs, ys] = [all.map(([first]) => first), all.map(([, second]) => second)]
  const [from, to] = [Math.min(...xs), Math.max(...xs)]
  const ticks = all.length > 0 ? niceTicks(Math.min(...ys), Math.max(...ys)) : [0, 1]
  const [low, high] = [ticks[0] ?? 0, ticks.at(-1) ?? 1]
  const px = (value: number): number =>
    to > from ? box.left + ((value - from) / (to - from)) * (box.right - box.left) : (box.left + box.right) / 2
  const py = (value: number): number => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top)
  const ends = series.map((one) => py(finite(one).at(-1)?.[1] ?? 0))
  const labels = spread(ends, 16, box.bottom)
  return [
    svgText(x + 8, y + 16, title, { size: 15, bold: true }),
    ...ticks.flatMap((tick) => [
      svgLine([box.left, py(tick)], [box.right, py(tick)], ink.grid),
      svgText(box.left - 8, py(tick) + 4, format(tick), { size: 12, color: ink.muted, anchor: 'end' }),
    ]),
    svgLine([box.left, box.bottom], [box.right, box.bottom], ink.axis),
    ...(all.length > 0 ? wholeTicks(from, to) : []).flatMap((tick) => [
      svgLine([px(tick), box.bottom], [px(tick), box.bottom + 5], ink.axis),
      svgText(px(tick), box.bottom + 19, String(tick), { size: 12, color: ink.muted, anchor: 'middle' }),
    ]),
    svgText((box.left + box.right) / 2, box.bottom + 38, xLabel, { size: 12, color: ink.muted, anchor: 'middle' }),
    ...series.map((one) => drawn(one, px, py)),
    ...series.map(({ name, color }, i) => svgText(box.right + 10, (labels[i] ?? 0) + 4, name, { color, bold: true })),
  ]
}

function drawn(series: Series, px: (value: number) => number, py: (value: number) => number): string {
  const { color, dashed = false } = series
  const points = finite(series).map(([x, y]) => [px(x), py(y)] as const)
  const dash = dashed ? ' stroke-dasharray="6 4"' : ''
  const line = `<polyline points="${pointsOf(points)}" fill="none" stroke="${color}" stroke-width="2.5" stroke-linejoin="round"${dash}/>`
  const radius = points.length > 30 ? 0 : 3.5
  const dots = points.map(([x, y]) => `<circle cx="${at(x)}" cy="${at(y)}" r="${radius}" fill="${color}"/>`)
  return radius === 0 ? line : line + dots.join('')
}
