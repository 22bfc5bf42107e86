/** A plain table: columns aligned by width, numbers to the right, a rule under the header. Not here: HTML and Markdown. */
import { padText, textWidth } from './text.js'

export type Cell = string | number | bigint | boolean

export interface TableOptions {
  /** Names of the columns, above a rule. Default: none. */
  readonly header?: readonly string[]
  /** Sides of the columns. Default: right where every cell of the column is a number, else left. */
  readonly align?: readonly ('left' | 'right')[]
  /** Between columns. Default: two spaces. */
  readonly gap?: string
}

function isNumeric(cell: Cell | undefined): boolean {
  return cell === undefined || typeof cell === 'number' || typeof cell === 'bigint'
}

/**
 * Rows of cells as lines of equal columns; short rows leave their last cells empty. Lines have no spaces at their ends.
 * @returns the lines joined by '\n', without one at the end; '' when there is nothing
 */
export function formatTable(rows: readonly (readonly Cell[])[], options: TableOptions = {}): string {
  const { header, align = [], gap = '  ' } = options
  const all = header === undefined ? rows : [header, ...rows]
  const count = Math.max(0, ...all.map((row) => row.length))
  const columns = Array.from({ length: count }, (_, c) => ({
    width: Math.max(0, ...all.map((row) => textWidth(String(row[c] ?? '')))),
    side: align[c] ?? (rows.length > 0 && rows.every((row) => isNumeric(row[c])) ? 'right' : 'left'),
  }))
  const line = (row: readonly Cell[]): string =>
    columns.map(({ width, side }, c) => padText(String(row[c] ?? ''), width, side)).join(gap)
  const rule = columns.map(({ width }) => '─'.repeat(width)).join(gap)
  const body = rows.map(line)
  const lines = header === undefined ? body : [line(header), rule, ...body]
  return lines.map((text) => text.trimEnd()).join('\n')
}
