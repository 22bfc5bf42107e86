/** Widths of text on a terminal, and times and sizes as people read them. Not here: what is told about a training. */

const ESCAPES = /\x1b(?:\[[0-9;]*[A-Za-z]|[\]_][^\x07\x1b]*(?:\x07|\x1b\\))/g
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]/u
const NO_WIDTH = /\p{Mn}|\p{Me}|[\u200b\u200c]|\u200d/u

function characterWidth(character: string): number {
  if (NO_WIDTH.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** Columns that a text without line ends takes: escape codes none, Chinese and emoji two each. */
export function textWidth(text: string): number {
  let width = 0
  for (const character of text.replace(ESCAPES, '')) width += characterWidth(character)
  return width
}

/** Fills with spaces up to a width in columns; longer text stays as it is. */
export function padText(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)))
  return align === 'left' ? text + space : space + text
}

/** The longest beginning that fits the columns; for plain text, without escape codes. */
export function cutText(text: string, columns: number): string {
  let width = 0
  let kept = ''
  for (const character of text) {
    width += characterWidth(character)
    if (width > columns) break
    kept += character
  }
  return kept
}

/** Whole seconds as Keras writes them: '5s', '1:05', '2:01:05'. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (n: number): string => String(n).padStart(2, '0')
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  if (hours > 0) return `${hours}:${two(minutes)}:${two(rest)}`
  return minutes > 0 ? `${minutes}:${two(rest)}` : `${rest}s`
}

/** Time of one step as Keras writes it, a little finer: '1.20s', '35ms', '2.6ms', '380us'. */
export function formatStepTime(seconds: number): string {
  if (seconds >= 0.9995) return `${seconds.toFixed(2)}s`
  if (seconds >= 0.00995) return `${(seconds * 1e3).toFixed(0)}ms`
  if (seconds >= 0.0009995) return `${(seconds * 1e3).toFixed(1)}ms`
  return `${(seconds * 1e6).toFixed(0)}us`
}

/** Bytes in decimal units, as disks and networks count: '999 B', '1.5 kB', '184.0 MB', '2.00 GB'. */
export function formatBytes(bytes: number): string {
  if (bytes < 1e3) return `${Math.round(bytes)} B`
  if (bytes < 999.95e3) return `${(bytes / 1e3).toFixed(1)} kB`
  if (bytes < 999.95e6) return `${(bytes / 1e6).toFixed(1)} MB`
  return `${(bytes / 1e9).toFixed(2)} GB`
}
