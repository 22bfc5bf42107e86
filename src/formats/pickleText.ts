/**
 * The text forms of pickle protocol 0: numbers and quoted strings written as lines, and the binary big integers.
 * Pure functions; undefined means "not such a text". Not here: opcodes (pickle.ts).
 */

/** An integer as number where it is exact, else as bigint. */
function integerOf(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}

/** LONG1/LONG4: little-endian two's complement, any length. */
export function longOf(bytes: Uint8Array): number | bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0)
  return integerOf(BigInt.asIntN(bytes.length * 8, value))
}

/** INT and LONG lines: `12`, `-7`, `12L`; INT's `00` and `01` are False and True. */
export function intLine(line: string): number | bigint | boolean | undefined {
  if (line === '00') return false
  if (line === '01') return true
  if (!/^[+-]?\d{1,300}L?$/.test(line)) return undefined
  return integerOf(BigInt(line.replace(/^\+|L$/g, '')))
}

/** A FLOAT line as Python's repr writes it. */
export function floatLine(line: string): number | undefined {
  const special: Record<string, number> = { nan: NaN, inf: Infinity, '-inf': -Infinity }
  if (Object.hasOwn(special, line)) return special[line]
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(line) ? Number(line) : undefined
}

const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b', f: '\f', v: '\v' }

function unescape(_: string, hex?: string, octal?: string, char?: string): string {
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
  if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 255)
  return char === undefined ? '' : (escapes[char] ?? char)
}

/** A STRING line: a Python 2 string literal in quotes; one character a byte. */
export function stringLine(line: string): string | undefined {
  const quote = line[0]
  if (line.length < 2 || (quote !== "'" && quote !== '"') || line.at(-1) !== quote) return undefined
  return line.slice(1, -1).replace(/\\(?:x([0-9a-f]{2})|([0-7]{1,3})|([^]))/gi, unescape)
}

/** A UNICODE line: raw-unicode-escape, where only \uXXXX and \UXXXXXXXX are escapes. */
export function unicodeLine(line: string): string | undefined {
  let valid = true
  const text = line.replace(/\\(?:u([0-9a-f]{4})|U([0-9a-f]{8}))/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt(short ?? long ?? '', 16)
    if (code <= 0x10ffff) return String.fromCodePoint(code)
    valid = false
    return ''
  })
  return valid ? text : undefined
}
