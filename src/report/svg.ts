/** The few parts of SVG that pictures of ours are made of, as text. Not here: what is drawn, PNG (cli). */

/** The family that the PNG's font has; elsewhere what there is. */
const fontFamily = 'Inter, Helvetica, Arial, sans-serif'

export const ink = { text: '#1f2933', muted: '#5b6673', grid: '#e3e7ec', axis: '#9aa5b1' } as const

/** Colours of lines, told apart by people who see no red or no green too. */
export const lineColors = ['#d1495b', '#2f6690', '#e09f3e', '#3d8361', '#7b5ea7', '#6b7a8f'] as const

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c)

/** Places in at most two decimals. */
export const at = (value: number): string => String(Math.round(value * 100) / 100)

export interface TextStyle {
  /** Default 13. */
  readonly size?: number
  readonly color?: string
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly bold?: boolean
  /** Degrees around its place. */
  readonly turn?: number
}

/** One line of text; `y` is its base line. */
export function svgText(x: number, y: number, text: string, style: TextStyle = {}): string {
  const { size = 13, color = ink.text, anchor = 'start', bold = false, turn } = style
  const weight = bold ? ' font-weight="600"' : ''
  const turned = turn === undefined ? '' : ` transform="rotate(${turn} ${at(x)} ${at(y)})"`
  return `<text x="${at(x)}" y="${at(y)}" font-size="${size}" fill="${color}" text-anchor="${anchor}"${weight}${turned}>${escaped(text)}</text>`
}

type Point = readonly [x: number, y: number]

export const svgLine = ([x1, y1]: Point, [x2, y2]: Point, stroke: string, width = 1, extra = ''): string =>
  `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" stroke="${stroke}" stroke-width="${width}"${extra}/>`

export const pointsOf = (points: readonly Point[]): string => points.map(([x, y]) => `${at(x)},${at(y)}`).join(' ')

/** About how wide a text is, in the same units as its size: Inter's letters are 0.56 of it on average. */
export const svgTextWidth = (text: string, size: number): number => text.length * size * 0.56

/** A whole picture on white. */
export function svgSheet(width: number, height: number, parts: readonly string[]): string {
  const [w, h] = [at(width), at(height)]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="${fontFamily}">
<rect width="${w}" height="${h}" fill="white"/>
${parts.join('\n')}
</svg>
`
}
