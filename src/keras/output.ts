/** Where text goes: the terminal of a process, or the console of a page. Not here: what is written. */

interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

interface World {
  readonly process?: { readonly stdout?: Stream; readonly env?: Readonly<Record<string, string | undefined>> }
}

export interface Output {
  write(text: string): void
  /** Can a line be drawn over? */
  readonly isTerminal: boolean
  readonly columns: number
}

const world = globalThis as World

/** Looked up anew each time: tests and people exchange stdout. */
export const output: Output = {
  write(text) {
    const stdout = world.process?.stdout
    if (stdout) stdout.write(text)
    else console.log(text.replace(/\n$/, ''))
  },
  get isTerminal() {
    return world.process?.stdout?.isTTY === true
  },
  /** As Python's shutil.get_terminal_size: COLUMNS, the terminal, 80. */
  get columns() {
    const told = Number(world.process?.env?.['COLUMNS'])
    return Number.isInteger(told) && told > 0 ? told : (world.process?.stdout?.columns ?? 80)
  },
}
