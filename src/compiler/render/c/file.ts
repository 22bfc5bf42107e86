/**
 * Texts of functions as C files: what goes behind one head into one file. A function is called by a name that its caller
 * gives it, so that its text depends on what it does alone.
 * Not here: the texts (kernel.ts, step.ts), how they are spread over files (device).
 */

/** Functions that are compiled behind one head, together or each by itself. */
export interface CSource {
  /** Stands once in every file, before the functions. */
  readonly head: string
  /** Each defines one function, called NAME. */
  readonly parts: readonly string[]
}

/** A part and what its function is to be called. */
export interface CPart {
  readonly name: string
  readonly text: string
}

export function fileOf(head: string, parts: readonly CPart[]): string {
  return [head, ...parts.map(({ name, text }) => `#define NAME ${name}\n${text}\n#undef NAME\n`)].join('\n')
}
