/** How many epochs an example is asked for: `--epochs 3`, or just `3`; ten without it. */
import { parseArgs } from 'node:util'

export function askedEpochs(args: readonly string[] = process.argv.slice(2)): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { epochs: { type: 'string' } },
    allowPositionals: true,
  })
  const asked = values.epochs ?? positionals[0] ?? '10'
  const epochs = Number(asked)
  if (Number.isInteger(epochs) && epochs > 0) return epochs
  throw new Error(`--epochs ${asked}: expected a whole number of 1 or more`)
}
