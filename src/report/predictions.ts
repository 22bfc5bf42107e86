/** What a net says of pictures as lines of a table: picture, class, a bar and per cent. Not here: JSON, predicting. */
import { bar } from './progress.js'
import { padText, textWidth } from './text.js'

const BAR_WIDTH = 20
const GAP = '  '
/** '  71.2 %' behind the bar. */
const PERCENT_WIDTH = 8

export interface PredictionTableOptions {
  /** All pictures that may come: they tell the first column's width. */
  readonly pictures: readonly string[]
  /** All classes that may come. */
  readonly classes: readonly string[]
  /** Width of the terminal; names of pictures are cut to fit it. Default: any, names stay whole. */
  readonly columns?: number | undefined
}

/** Control characters in a file's name must not reach a terminal. */
export const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, '?')

/** The end of a path tells more than its beginning. */
function cutStart(text: string, width: number): string {
  if (textWidth(text) <= width) return text
  const characters = Array.from(text)
  while (characters.length > 0 && textWidth(characters.join('')) > width - 1) characters.shift()
  return `…${characters.join('')}`
}

const widest = (texts: readonly string[], least: number): number =>
  texts.reduce((width, text) => Math.max(width, textWidth(text)), least)

/** A table whose rows come one after the other. */
export class PredictionTable {
  readonly #pictureWidth: number
  readonly #classWidth: number

  constructor({ pictures, classes, columns = Infinity }: PredictionTableOptions) {
    this.#classWidth = Math.min(widest(classes.map(printable), 'class'.length), 24)
    const room = columns - this.#classWidth - BAR_WIDTH - PERCENT_WIDTH - 2 * GAP.length
    this.#pictureWidth = Math.max(12, Math.min(widest(pictures.map(printable), 'picture'.length), room))
  }

  header(): string {
    const rule = [this.#pictureWidth, this.#classWidth, BAR_WIDTH + PERCENT_WIDTH].map((width) => '─'.repeat(width))
    return `${this.#line('picture', 'class', 'probability')}\n${rule.join(GAP)}`
  }

  /** One line for each class told; the picture's name stands in the first. */
  rows(picture: string, top: readonly { readonly class: string; readonly probability: number }[]): string {
    const name = cutStart(printable(picture), this.#pictureWidth)
    const lines = top.map(({ class: told, probability }, i) => {
      const percent = `${(100 * probability).toFixed(1)} %`.padStart(PERCENT_WIDTH)
      return this.#line(i === 0 ? name : '', printable(told), bar(probability, BAR_WIDTH) + percent)
    })
    return lines.join('\n')
  }

  #line(picture: string, name: string, rest: string): string {
    return [padText(picture, this.#pictureWidth), padText(name, this.#classWidth), rest].join(GAP)
  }
}
