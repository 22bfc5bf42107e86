/**
 * A strict JSON reader for headers of files: objects become Maps (a key `__proto__` stays a key), a key given twice is
 * refused, and nesting and the number of values are capped, so that a small file cannot take much memory.
 * Not here: writing (JSON.stringify does that); what the values mean.
 * Source: RFC 8259.
 */
import { LenetError } from '../base/index.js'

export type JsonValue = null | boolean | number | string | JsonValue[] | Map<string, JsonValue>

const deepest = 64
const mostValues = 500_000
const numberPattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const words: ReadonlyMap<string, null | boolean> = new Map([
  ['null', null],
  ['true', true],
  ['false', false],
])

class JsonReader {
  readonly #text: string
  readonly #where: string
  #at = 0
  #values = 0

  constructor(text: string, where: string) {
    this.#text = text
    this.#where = where
  }

  whole(): JsonValue {
    const value = this.#value(0)
    this.#space()
    if (this.#at < this.#text.length) this.#fail('the end of the text')
    return value
  }

  #fail(expected: string): never {
    const found = JSON.stringify(this.#text.slice(this.#at, this.#at + 20))
    throw new LenetError(
      `${this.#where}: damaged JSON at character ${this.#at}: ${expected} is expected, found ${found}`,
    )
  }

  #space(): void {
    while (' \n\r\t'.includes(this.#text.charAt(this.#at)) && this.#at < this.#text.length) this.#at++
  }

  /** Steps over `mark` and the space around it, if it comes next. */
  #takes(mark: string): boolean {
    this.#space()
    if (this.#text.charAt(this.#at) !== mark) return false
    this.#at++
    return true
  }

  #value(depth: number): JsonValue {
    if (depth > deepest) throw new LenetError(`${this.#where}: refused: JSON nested more than ${deepest} deep`)
    if (++this.#values > mostValues) {
      throw new LenetError(`${this.#where}: refused: JSON of more than ${mostValues} values`)
    }
    if (this.#takes('{')) return this.#object(depth)
    if (this.#takes('[')) return this.#array(depth)
    return this.#text.charAt(this.#at) === '"' ? this.#string() : this.#scalar()
  }

  #object(depth: number): Map<string, JsonValue> {
    const members = new Map<string, JsonValue>()
    if (this.#takes('}')) return members
    do {
      this.#space()
      const key = this.#string()
      if (members.has(key)) {
        throw new LenetError(`${this.#where}: refused: the key ${JSON.stringify(key.slice(0, 100))} is there twice`)
      }
      if (!this.#takes(':')) this.#fail("':'")
      members.set(key, this.#value(depth + 1))
    } while (this.#takes(','))
    if (!this.#takes('}')) this.#fail("',' or '}'")
    return members
  }

  #array(depth: number): JsonValue[] {
    const items: JsonValue[] = []
    if (this.#takes(']')) return items
    do items.push(this.#value(depth + 1))
    while (this.#takes(','))
    if (!this.#takes(']')) this.#fail("',' or ']'")
    return items
  }

  #string(): string {
    const from = this.#at
    if (this.#text.charAt(from) !== '"') this.#fail('a text in quotes')
    let end = from + 1
    while (end < this.#text.length && this.#text.charAt(end) !== '"') end += this.#text.charAt(end) === '\\' ? 2 : 1
    try {
      const value: unknown = JSON.parse(this.#text.slice(from, end + 1))
      this.#at = end + 1
      return String(value)
    } catch {
      return this.#fail('a well-formed text in quotes')
    }
  }

  #scalar(): number | boolean | null {
    for (const [word, value] of words) {
      if (!this.#text.startsWith(word, this.#at)) continue
      this.#at += word.length
      return value
    }
    numberPattern.lastIndex = this.#at
    const [digits] = numberPattern.exec(this.#text) ?? []
    if (digits === undefined) return this.#fail('a value')
    this.#at += digits.length
    return Number(digits)
  }
}

/** The value of a JSON text. `where` names file and part in errors. Throws LenetError. */
export function parseJson(text: string, where: string): JsonValue {
  return new JsonReader(text, where).whole()
}
