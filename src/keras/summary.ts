/** `model.summary()` as Keras 3 prints it without colours. Source: keras.src.utils.summary_utils, rich.table. */
import { sizeOf } from '../base/index.js'
import { showBatch, type Layer } from './layer.js'
import type { Optimizer } from './optimizer.js'
import { fixed, grouped } from './pythonText.js'
import type { Weight } from './weight.js'

/** What is told of. */
export interface Summarized {
  readonly name: string
  readonly layers: readonly Layer[]
  readonly weights: readonly Weight[]
  readonly trainableWeights: readonly Weight[]
  readonly optimizer: Optimizer | null
  /** What each layer reads, where layers do not stand in a row. */
  readonly connections: ReadonlyMap<Layer, string> | null
}

export interface SummaryOptions {
  /** Width of the table; default 88 (108 with connections), or 4 less than the terminal has columns. */
  readonly lineLength?: number
  /** A last column: Y, N, or - without weights; default false. */
  readonly showTrainable?: boolean
}

type Side = 'left' | 'right' | 'center'
interface Column {
  readonly title: string
  readonly side: Side
  readonly width: number // of the text
}

interface Kind {
  readonly width: number
  /** Shares of the width at which columns end. */
  readonly ends: readonly number[]
  readonly titles: readonly string[]
  readonly sides: readonly Side[]
}

const row3: Kind = {
  width: 88,
  ends: [0.45, 0.8, 1.0],
  titles: ['Layer (type)', 'Output Shape', 'Param #'],
  sides: ['left', 'left', 'right'],
}
const row4: Kind = {
  width: 108,
  ends: [0.3, 0.56, 0.74, 1.0],
  titles: [...row3.titles, 'Connected to'],
  sides: [...row3.sides, 'left'],
}

const kindOf = ({ connections }: Summarized): Kind => (connections ? row4 : row3)

function columnsOf(kind: Kind, lineLength: number, showTrainable: boolean): Column[] {
  const ends = showTrainable ? [...kind.ends.map((end) => end * 0.9), 1.0] : kind.ends
  const titles = [...kind.titles, 'Trainable']
  const sides: readonly Side[] = showTrainable ? [...kind.sides, 'center'] : kind.sides
  const starts = [0, ...ends.map((end) => Math.trunc(end * lineLength))]
  const wanted = ends.map((_, i) => (starts[i + 1] ?? 0) - (starts[i] ?? 0) + 2)
  const widths = reduced(wanted, lineLength - ends.length - 1)
  return widths.map((width, i) => ({ title: titles[i] ?? '', side: sides[i] ?? 'left', width: width - 2 }))
}

/** rich.ratio_reduce: takes what is too much from the columns in equal parts. */
function reduced(widths: readonly number[], most: number): number[] {
  let excess = widths.reduce((sum, width) => sum + width, 0) - most
  return widths.map((width, i) => {
    const part = Math.min(width, halfToEven(excess / (widths.length - i)))
    if (excess <= 0) return width
    excess -= part
    return width - part
  })
}

/** Python's round(). */
function halfToEven(x: number): number {
  const down = Math.floor(x)
  if (x - down !== 0.5) return Math.round(x)
  return down % 2 === 0 ? down : down + 1
}

/** Words on lines of a width; what is longer than a line ends in '…'. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.match(/\S+\s*/g) ?? []) {
    if (line !== '' && line.length + word.trimEnd().length > width) {
      lines.push(line)
      line = ''
    }
    line += word
  }
  lines.push(line)
  return lines.map((each) => {
    const cut = each.trimEnd()
    return cut.length > width ? `${cut.slice(0, width - 1)}…` : cut
  })
}

function aligned(text: string, { width, side }: Column): string {
  if (side === 'left') return text.padEnd(width)
  if (side === 'right') return text.padStart(width)
  return text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width)
}

function row(cells: readonly string[], columns: readonly Column[], bar: string): string {
  const texts = columns.map(({ width }, i) => wrapped(cells[i] ?? '', width))
  const height = Math.max(...texts.map((lines) => lines.length))
  const line = (y: number): string => columns.map((column, i) => ` ${aligned(texts[i]?.[y] ?? '', column)} `).join(bar)
  return Array.from({ length: height }, (_, y) => `${bar}${line(y)}${bar}\n`).join('')
}

function rule(
  columns: readonly Column[],
  [left, line, cross, right]: readonly [string, string, string, string],
): string {
  return `${left}${columns.map(({ width }) => line.repeat(width + 2)).join(cross)}${right}\n`
}

function tableText(rows: readonly (readonly string[])[], columns: readonly Column[]): string {
  const head = row(
    columns.map(({ title }) => title),
    columns,
    '┃',
  )
  const between = rule(columns, ['├', '─', '┼', '┤'])
  const body = rows.map((cells) => row(cells, columns, '│')).join(between)
  return `${rule(columns, ['┏', '━', '┳', '┓'])}${head}${rule(columns, ['┡', '━', '╇', '┩'])}${body}${rule(columns, ['└', '─', '┴', '┘'])}`
}

const memoryUnits = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'] as const

function memoryText(bytes: number): string {
  let left = bytes
  for (const unit of memoryUnits) {
    if (left / 1024 < 1) return `${fixed(left, 2)} ${unit}`
    left /= 1024
  }
  return `${fixed(left, 2)} PB`
}

/** What Keras counts as built before it has seen an input (`_build_at_init`). */
const builtAtOnce: ReadonlySet<string> = new Set([
  'Activation',
  'AveragePooling2D',
  'Dropout',
  'ELU',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'LeakyReLU',
  'MaxPooling2D',
  'ReLU',
  'Reshape',
  'Softmax',
])

function cellsOf(layer: Layer, { connections }: Summarized): string[] {
  const params = layer.built || builtAtOnce.has(layer.className) ? grouped(layer.countParams()) : '0 (unbuilt)'
  const trains = layer.weights.length === 0 ? '-' : layer.trainable ? 'Y' : 'N'
  const shape = layer.output ? showBatch(layer.output.sizes) : '?'
  const read = connections ? [connections.get(layer) ?? '-'] : []
  return [`${layer.name} (${layer.className})`, shape, params, ...read, trains]
}

/** Counts and sizes, one line each. */
function totals({ weights, trainableWeights, optimizer }: Summarized): string {
  const count = (list: readonly Weight[]): number => list.reduce((sum, { size }) => sum + size, 0)
  const [all, trained] = [count(weights), count(trainableWeights)]
  const own = optimizer?.built ? optimizer.variables() : []
  const ownCount = own.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const ownBytes = own.reduce((sum, { shape, dtype }) => sum + sizeOf(shape) * (dtype === 'int64' ? 8 : 4), 0)
  const line = (what: string, n: number, bytes: number): string => ` ${what}: ${grouped(n)} (${memoryText(bytes)})\n`
  return [
    line('Total params', all + ownCount, all * 4 + ownBytes),
    line('Trainable params', trained, trained * 4),
    line('Non-trainable params', all - trained, (all - trained) * 4),
    ...(own.length > 0 ? [line('Optimizer params', ownCount, ownBytes)] : []),
  ].join('')
}

/** @param columns of the terminal: the table is at most 4 less wide, and 88 (100 with `showTrainable`) */
export function summaryText(model: Summarized, columns: number, options: SummaryOptions = {}): string {
  const kind = kindOf(model)
  const { showTrainable = false } = options
  const { lineLength = Math.min(kind.width + (showTrainable ? 12 : 0), columns - 4) } = options
  const cells = model.layers.map((layer) => cellsOf(layer, model))
  const table = tableText(cells, columnsOf(kind, lineLength, showTrainable))
  return `Model: "${model.name}"\n${table}${totals(model)}`
}
