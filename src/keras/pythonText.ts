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
