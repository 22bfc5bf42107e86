/** Numbers as Python's format() writes them. */

/** f"{x:.4f}". */
export function fixed(x: number, digits: number): string {
  if (Number.isNaN(x)) return 'nan'
  return Number.isFinite(x) ? x.toFixed(digits) : x > 0 ? 'inf' : '-inf'
}

/** f"{x:.4e}": the exponent has two digits or more. */
export function exponential(x: number, digits: number): string {
  if (!Number.isFinite(x)) return fixed(x, digits)
  return x.toExponential(digits).replace(/e([+-])(\d)$/, 'e$10$2')
}

/** f"{n:,}". */
export const grouped = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',')

/** str(x) of a float. */
export function floatText(x: number): string {
  if (!Number.isFinite(x)) return fixed(x, 0)
  const size = Math.abs(x)
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return x.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  return Number.isInteger(x) ? `${x}.0` : String(x)
}

/** [[fill]align][sign][0][width][,][.digits][type], of Python's format(). */
const specification = /^(?:(.)?([<>^=]))?([+ -])?(0)?(\d+)?(,)?(?:\.(\d+))?([dfFeEgG%])?$/su

/**
 * format(x, spec) of a number. Source: the format specification of Python's `string` module.
 * @param isWhole whether Python would have an int: only ints take the type d
 * @returns undefined for a specification that is not known here, or not for such a number
 */
export function formatted(x: number, spec: string, isWhole: boolean): string | undefined {
  const parts = specification.exec(spec)
  if (!parts) return undefined
  const [, fill, align, sign, zero, width = '0', comma, precision, type = isWhole ? 'd' : ''] = parts
  if (type === 'd' && (!isWhole || precision !== undefined)) return undefined
  const digits = digitsOf(Math.abs(x), type, precision === undefined ? undefined : Number(precision))
  const own = comma === undefined ? digits : digits.replace(/^\d+/, (whole) => grouped(Number(whole)))
  const before = x < 0 ? '-' : sign === '+' || sign === ' ' ? sign : ''
  return padded(before, own, Number(width), fill ?? (zero === undefined ? ' ' : '0'), align ?? (zero ? '=' : '>'))
}

function digitsOf(size: number, type: string, digits: number | undefined): string {
  if (type === 'd') return String(size)
  if (type === '%') return `${fixed(size * 100, digits ?? 6)}%`
  if (type === 'f' || type === 'F') return fixed(size, digits ?? 6)
  if (type === 'e') return exponential(size, digits ?? 6)
  if (type === 'E') return exponential(size, digits ?? 6).toUpperCase()
  if (type === '' && digits === undefined) return floatText(size)
  const text = general(size, Math.max(digits ?? 6, 1))
  return type === 'G' ? text.toUpperCase() : text
}

/** The type g: `digits` significant ones, zeros at the end left out. */
function general(size: number, digits: number): string {
  if (!Number.isFinite(size)) return fixed(size, 0)
  const exponent = size === 0 ? 0 : Number(size.toExponential(digits - 1).split('e')[1])
  const isPlain = exponent >= -4 && exponent < digits
  const text = isPlain ? fixed(size, digits - 1 - exponent) : exponential(size, digits - 1)
  return text.includes('.') ? text.replace(/\.?0+(e|$)/, '$1') : text
}

/** '=' pads between sign and digits, '^' on both sides. */
function padded(sign: string, digits: string, width: number, fill: string, align: string): string {
  const missing = Math.max(width - sign.length - digits.length, 0)
  if (align === '=') return sign + fill.repeat(missing) + digits
  const before = align === '<' ? 0 : align === '>' ? missing : Math.floor(missing / 2)
  return fill.repeat(before) + sign + digits + fill.repeat(missing - before)
}
