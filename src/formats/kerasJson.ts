/**
 * Reads JSON that others wrote, one checked field at a time: a wrong type is an error that names file, place and value.
 * Not here: what the fields mean (kerasLayers.ts, kerasConfig.ts).
 */
import { LenetError, messageOf } from '../base/index.js'
import { shownName } from './shownName.js'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

const mostDepth = 100
/** 5,000 layers of 80 fields; a value in memory takes many times its bytes in the text. */
const mostValues = 400_000

/** A value and where it stands, for errors: `model.keras, config.json, layers[2].config.filters`. */
export class JsonPlace {
  readonly value: Json | undefined
  readonly where: string

  constructor(value: Json | undefined, where: string) {
    this.value = value
    this.where = where
  }

  fail(message: string): never {
    throw new LenetError(`${this.where}: ${message}`)
  }

  /** Not null and not missing. */
  get there(): boolean {
    return this.value !== undefined && this.value !== null
  }

  at(key: string): JsonPlace {
    const object = this.object()
    return new JsonPlace(Object.hasOwn(object, key) ? object[key] : undefined, `${this.where}.${shownName(key)}`)
  }

  items(): JsonPlace[] {
    if (!isList(this.value)) return this.wanted('a list')
    return this.value.map((value, i) => new JsonPlace(value, `${this.where}[${i}]`))
  }

  object(): JsonObject {
    return isObject(this.value) ? this.value : this.wanted('an object')
  }

  text(): string {
    return typeof this.value === 'string' ? this.value : this.wanted('a text')
  }

  number(): number {
    return typeof this.value === 'number' && Number.isFinite(this.value) ? this.value : this.wanted('a number')
  }

  /** A whole number from `least` on, small enough to be a size of anything. */
  size(least = 1): number {
    const value = this.number()
    return Number.isInteger(value) && value >= least && value <= 2 ** 31
      ? value
      : this.wanted(`a whole number from ${least} on`)
  }

  boolean(): boolean {
    return typeof this.value === 'boolean' ? this.value : this.wanted('true or false')
  }

  wanted(what: string): never {
    return this.fail(`should be ${what} and is ${shown(this.value)}`)
  }
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: Json | undefined): string {
  if (value === undefined) return 'missing'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** Text as JSON. Python's NaN and Infinity are no JSON and are refused, as are nesting beyond 100 and very many values. */
export function parseJson(text: string, where: string): JsonPlace {
  const { depth, values } = sizeOf(text)
  if (depth > mostDepth) throw new LenetError(`${where}: refused: JSON nested deeper than ${mostDepth}`)
  if (values > mostValues) throw new LenetError(`${where}: refused: JSON of more than ${mostValues} values`)
  try {
    const value: Json = JSON.parse(text)
    return new JsonPlace(value, where)
  } catch (error) {
    throw new LenetError(`${where}: no valid JSON (${shownName(messageOf(error))})`)
  }
}

/** How deep it nests, and at most how many values it has, before any is made. */
function sizeOf(text: string): { depth: number; values: number } {
  let [open, depth, values, quoted] = [0, 0, 1, false]
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '"') quoted = !quoted
    else if (quoted && c === '\\') i++
    else if (quoted) continue
    else if (c === '{' || c === '[') [depth, values] = [Math.max(depth, ++open), values + 1]
    else if (c === '}' || c === ']') open--
    else if (c === ',') values++
  }
  return { depth, values }
}

/** Settings of optimizers that Keras refuses as whole numbers: 0 is written as 0.0. Quotes in texts stand behind a backslash. */
const wholeFloats = /("(?:momentum|learning_rate)":-?\d+)(?=[,}])/g

/** As the text of a file of Keras's. */
export function kerasJsonText(value: Json): string {
  return JSON.stringify(value).replace(wholeFloats, '$1.0')
}
