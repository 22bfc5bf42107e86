/** Numbers in a module's text as Python writes them. */

/** `(5, 5)` for a pair; a number as it is. */
export const showSize = (size: number | readonly [number, number]): string =>
  typeof size === 'number' ? String(size) : `(${size[0]}, ${size[1]})`

export const showBool = (flag: boolean): string => (flag ? 'True' : 'False')

/** Python's repr of a float: 1e-05, 0.001, 0.1, 1.0. */
export function showFloat(value: number): string {
  if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e16)) {
    const [mantissa = '', exponent = ''] = value.toExponential().split('e')
    return `${mantissa}e${exponent[0] ?? '+'}${exponent.slice(1).padStart(2, '0')}`
  }
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
