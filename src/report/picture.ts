/**
 * Pictures in a terminal: the protocols of Kitty and iTerm2 for a PNG, and coloured half-blocks for any pixels.
 * Not here: making the PNG (it needs a codec) and laying out a grid of samples (transforms).
 */
import { LenetError } from '../base/index.js'
import { pictureWay, type Terminal } from './terminal.js'

/** Pixels in rows: `data` is [height][width][3], red green blue, 0–255. */
export interface RgbPicture {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array | Uint8ClampedArray
}

const UPPER_HALF = '▀'
const RESET = '\x1b[0m'
/** A cell holds one column and two rows of pixels, so pixels look square. */
const ROWS_PER_CELL = 2
/** Kitty takes base64 in pieces of at most this many characters. */
const KITTY_PIECE = 4096

function checkPicture({ width, height, data }: RgbPicture): void {
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0
  if (whole && data.length === width * height * 3) return
  throw new LenetError(
    `a picture of ${width}×${height} needs ${width * height * 3} bytes (red, green, blue), got ${data.length}`,
  )
}

/** First source row or column of target i, when `from` pixels become `to`. */
function edge(i: number, from: number, to: number): number {
  return Math.floor((i * from) / to)
}

/** Mean colour of the source pixels [x0,x1) × [y0,y1). */
function meanColour(picture: RgbPicture, x0: number, x1: number, y0: number, y1: number): [number, number, number] {
  const sum: [number, number, number] = [0, 0, 0]
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const at = (y * picture.width + x) * 3
      for (let c = 0 as 0 | 1 | 2; c < 3; c++) sum[c] += picture.data[at + c] ?? 0
    }
  }
  const count = (x1 - x0) * (y1 - y0)
  return [Math.round(sum[0] / count), Math.round(sum[1] / count), Math.round(sum[2] / count)]
}

/**
 * A smaller picture of the same proportions, each pixel the mean of those it covers; unchanged when it already fits.
 * @param columns greatest width in pixels
 */
export function shrinkPicture(picture: RgbPicture, columns: number): RgbPicture {
  checkPicture(picture)
  const width = Math.max(1, Math.floor(columns))
  if (picture.width <= width) return picture
  const height = Math.max(1, Math.round((picture.height * width) / picture.width))
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const y0 = edge(y, picture.height, height)
    const y1 = Math.max(y0 + 1, edge(y + 1, picture.height, height))
    for (let x = 0; x < width; x++) {
      const x0 = edge(x, picture.width, width)
      const x1 = edge(x + 1, picture.width, width)
      data.set(meanColour(picture, x0, x1, y0, y1), (y * width + x) * 3)
    }
  }
  return { width, height, data }
}

/** Nearest colour of xterm's 256: the grey ramp (232–255) for greys, else the 6×6×6 cube (16–231). */
export function xterm256(red: number, green: number, blue: number): number {
  if (red === green && green === blue && red >= 4 && red <= 246) {
    return 232 + Math.min(23, Math.max(0, Math.round((red - 8) / 10)))
  }
  // The cube's levels are 0, 95, 135, 175, 215, 255.
  const level = (v: number): number => (v < 48 ? 0 : v < 115 ? 1 : Math.min(5, Math.round((v - 55) / 40)))
  return 16 + 36 * level(red) + 6 * level(green) + level(blue)
}

type Depth = 'truecolor' | '256'

/** Escape code that sets the text's (38) or the ground's (48) colour to the pixel at (x, y). */
function colourCode({ width, data }: RgbPicture, x: number, y: number, target: 38 | 48, depth: Depth): string {
  const at = (y * width + x) * 3
  const [red, green, blue] = [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0]
  return depth === 'truecolor'
    ? `\x1b[${target};2;${red};${green};${blue}m`
    : `\x1b[${target};5;${xterm256(red, green, blue)}m`
}

function halfBlockLine(picture: RgbPicture, top: number, depth: Depth): string {
  const hasLower = top + 1 < picture.height
  let line = ''
  let last = ''
  for (let x = 0; x < picture.width; x++) {
    const ground = hasLower ? colourCode(picture, x, top + 1, 48, depth) : ''
    const colours = colourCode(picture, x, top, 38, depth) + ground
    line += (colours === last ? '' : colours) + UPPER_HALF
    last = colours
  }
  return line + RESET
}

/**
 * A picture as coloured half-blocks, two rows of pixels a line.
 * @param columns greatest width in characters; wider pictures are shrunk. Default 80
 * @param depth colours of the terminal. Default 'truecolor'
 * @returns lines joined by '\n', without one at the end
 */
export function halfBlocks(picture: RgbPicture, columns = 80, depth: Depth = 'truecolor'): string {
  const small = shrinkPicture(picture, columns)
  const lines: string[] = []
  for (let top = 0; top < small.height; top += ROWS_PER_CELL) lines.push(halfBlockLine(small, top, depth))
  return lines.join('\n')
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return btoa(text)
}

/**
 * A PNG by Kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/): sent and shown at once,
 * no answer wanted.
 */
export function kittyPicture(png: Uint8Array): string {
  const text = base64(png)
  let codes = ''
  for (let at = 0; at < text.length; at += KITTY_PIECE) {
    const more = at + KITTY_PIECE < text.length ? 1 : 0
    const control = at === 0 ? `a=T,f=100,q=2,m=${more}` : `m=${more}`
    codes += `\x1b_G${control};${text.slice(at, at + KITTY_PIECE)}\x1b\\`
  }
  return codes
}

/** A PNG by iTerm2's inline images protocol (https://iterm2.com/documentation-images.html). */
export function itermPicture(png: Uint8Array): string {
  return `\x1b]1337;File=inline=1;size=${png.length};preserveAspectRatio=1:${base64(png)}\x07`
}

/**
 * The picture in the best way the terminal has.
 * @param png the same picture as a PNG, when there is one; without it half-blocks are used
 * @returns text to write with a line end after it; '' where no picture can be shown
 */
export function terminalPicture(picture: RgbPicture, terminal: Terminal, png?: Uint8Array): string {
  const way = pictureWay(terminal)
  if (way === 'none') return ''
  const isProtocol = way === 'kitty' || way === 'iterm'
  if (!isProtocol) return halfBlocks(picture, terminal.columns ?? 80, way)
  if (png === undefined) return halfBlocks(picture, terminal.columns ?? 80)
  return way === 'kitty' ? kittyPicture(png) : itermPicture(png)
}
