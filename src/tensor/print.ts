/**
 * Tensors as PyTorch prints them: four digits, scientific where the range is wide, the middle of large ones left out.
 * Not here: reading the values (tensor.ts). Source of the rules: torch/_tensor_str.py.
 */
import { stridesOf, type DType, type HostArray, type Shape } from '../base/index.js'

const PRECISION = 4
const THRESHOLD = 1000
const EDGE_ITEMS = 3
const LINE_WIDTH = 80

/** Values of `shape`, row-major, and how they are written. */
interface Shown {
  readonly data: HostArray
  readonly shape: Shape
  readonly strides: readonly number[]
  readonly summarize: boolean
  readonly format: (value: number) => string
  readonly width: number
}

/** `f"{value:.4f}"` for a finite float32. At a tie Python goes to the even digit, JavaScript away from zero. */
function fixed(value: number, precision: number): string {
  const size = Math.abs(value)
  const scaled = size * 10 ** precision
  const tie = scaled < 2 ** 52 && scaled % 1 === 0.5 && Math.floor(scaled) % 2 === 0
  const text = tie ? (Math.floor(scaled) / 10 ** precision).toFixed(precision) : size.toFixed(precision)
  return value < 0 || Object.is(value, -0) ? `-${text}` : text
}

/** `f"{value:.4e}"` for a finite float32. At a tie Python goes to the even digit, JavaScript away from zero. */
function scientific(value: number): string {
  const size = Math.abs(value)
  const exact = size.toExponential(20).slice(0, 22)
  const kept = exact.slice(0, PRECISION + 2)
  const tieDown = /^50*$/.test(exact.slice(kept.length)) && Number(kept.at(-1)) % 2 === 0
  const [mantissa = '', exponent = ''] = size.toExponential(PRECISION).split('e')
  const power = `${exponent[0] ?? '+'}${exponent.slice(1).padStart(2, '0')}`
  return `${value < 0 || Object.is(value, -0) ? '-' : ''}${tieDown ? kept : mantissa}e${power}`
}

function nonFinite(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  return value > 0 ? 'inf' : '-inf'
}

/** Chooses whole numbers, four decimals or powers of ten from all values that are shown. */
function floatFormat(values: readonly number[]): { format: (value: number) => string; width: number } {
  const sizes = values.filter((v) => Number.isFinite(v) && v !== 0)
  const whole = sizes.every((v) => Number.isInteger(v))
  const [least, most] = sizes.reduce(([a, b], v) => [Math.min(a, Math.abs(v)), Math.max(b, Math.abs(v))], [Infinity, 0])
  const powers = sizes.length > 0 && (most / least > 1000 || most > 1e8 || least < 1e-4)
  const format = (value: number): string => {
    if (!Number.isFinite(value)) return nonFinite(value)
    if (powers) return scientific(value)
    return whole ? `${fixed(value, 0)}.` : fixed(value, PRECISION)
  }
  return { format, width: sizes.reduce((width, v) => Math.max(width, format(v).length), 1) }
}

function formatter(values: readonly number[], dtype: DType): { format: (value: number) => string; width: number } {
  if (dtype === 'f32') return floatFormat(values)
  const width = values.reduce((most, v) => Math.max(most, String(v).length), 1)
  return { format: String, width }
}

/** Indices of a dimension that are shown; -1 where the middle is left out. */
function shownIndices(size: number, summarize: boolean): number[] {
  if (!summarize || size <= 2 * EDGE_ITEMS) return Array.from({ length: size }, (_, i) => i)
  const edge = Array.from({ length: EDGE_ITEMS }, (_, i) => i)
  return [...edge, -1, ...edge.map((i) => size - EDGE_ITEMS + i)]
}

function shownValues(data: HostArray, shape: Shape, summarize: boolean): number[] {
  if (!summarize) return Array.from(data)
  const strides = stridesOf(shape)
  let offsets = [0]
  shape.forEach((size, d) => {
    const steps = shownIndices(size, true).filter((i) => i >= 0)
    offsets = offsets.flatMap((offset) => steps.map((i) => offset + i * (strides[d] ?? 1)))
  })
  return offsets.map((offset) => data[offset] ?? 0)
}

function row(shown: Shown, offset: number, indent: number): string {
  const { data, shape, summarize, format, width } = shown
  const perLine = Math.max(1, Math.floor((LINE_WIDTH - indent) / (width + 2)))
  const items = shownIndices(shape.at(-1) ?? 0, summarize).map((i) =>
    i < 0 ? ' ...' : format(data[offset + i] ?? 0).padStart(width),
  )
  const lines: string[] = []
  for (let i = 0; i < items.length; i += perLine) lines.push(items.slice(i, i + perLine).join(', '))
  return `[${lines.join(`,\n${' '.repeat(indent + 1)}`)}]`
}

function block(shown: Shown, dim: number, offset: number, indent: number): string {
  const { shape, strides, summarize } = shown
  if (dim === shape.length - 1) return row(shown, offset, indent)
  const parts = shownIndices(shape[dim] ?? 0, summarize).map((i) =>
    i < 0 ? '...' : block(shown, dim + 1, offset + i * (strides[dim] ?? 1), indent + 1),
  )
  return `[${parts.join(`,${'\n'.repeat(shape.length - dim - 1)}${' '.repeat(indent + 1)}`)}]`
}

function body(data: HostArray, shape: Shape, dtype: DType, indent: number): string {
  if (data.length === 0) return '[]'
  const summarize = data.length > THRESHOLD
  const { format, width } = formatter(shownValues(data, shape, summarize), dtype)
  if (shape.length === 0) return format(data[0] ?? 0).padStart(width)
  return block({ data, shape, strides: stridesOf(shape), summarize, format, width }, 0, 0, indent)
}

/** Adds `, suffix` for each, on a new line where the line would get too long. */
function withSuffixes(text: string, suffixes: readonly string[], indent: number): string {
  let result = text
  let length = text.length - text.lastIndexOf('\n') + 1
  for (const suffix of suffixes) {
    const wrap = length + suffix.length + 2 > LINE_WIDTH
    result += wrap ? `,\n${' '.repeat(indent)}${suffix}` : `, ${suffix}`
    length = wrap ? indent + suffix.length : length + suffix.length + 2
  }
  return `${result})`
}

/**
 * `tensor([[1., 2.], [3., 4.]])` as PyTorch prints it.
 * @param data row-major values of `shape`
 * @param suffixes what follows the values, such as `requires_grad=True`
 */
export function formatTensor(data: HostArray, shape: Shape, dtype: DType, suffixes: readonly string[] = []): string {
  const prefix = 'tensor('
  const sized = data.length === 0 && shape.length !== 1 ? [`size=(${shape.join(', ')})`] : []
  const typed = dtype === 'u8' ? ['dtype=torch.uint8'] : []
  const text = prefix + body(data, shape, dtype, prefix.length)
  return withSuffixes(text, [...sized, ...typed, ...suffixes], prefix.length)
}

/** What PyTorch says of a computed tensor, with our operation's name. */
export function gradFunction(op: string): string {
  return `grad_fn=<${op.slice(0, 1).toUpperCase()}${op.slice(1)}Backward>`
}
