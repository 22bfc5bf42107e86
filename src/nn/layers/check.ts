/** Checks of what a layer is made with: a mistake is told where it was made. */
import { UsageError } from '../../base/index.js'

export { expectOptions } from '../../base/index.js'

/** Throws UsageError for anything but whole numbers of `least` or more. */
export function expectWhole(layer: string, values: Readonly<Record<string, number>>, least = 1): void {
  for (const [name, value] of Object.entries(values))
    if (!Number.isInteger(value) || value < least)
      throw new UsageError(`${layer}: ${name} must be a whole number of ${least} or more, got ${value}`)
}

/** Throws UsageError where a layer of windows was not told how large they are. */
export function expectSize(layer: string, kernelSize: unknown): void {
  if (typeof kernelSize === 'number' || Array.isArray(kernelSize)) return
  throw new UsageError(`${layer}: kernelSize must be a number or [vertical, horizontal], got ${String(kernelSize)}`)
}
