/** Options given by name. Not here: what they mean. */
import { UsageError } from './errors.js'

/** Throws UsageError for an option that there is not, such as one spelled as in Python: said, not ignored. */
export function expectOptions(what: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options))
    if (!known.includes(name))
      throw new UsageError(`${what}: there is no option ${name}; there are ${known.join(', ')}`)
}
