/**
 * What is done to every picture on its way into a net, as plain data in torchvision's terms. Not here: doing it. The
 * loader turns these values into one kernel that gathers, converts and normalises a batch.
 */
import { LenetError, UsageError } from '../base/index.js'

/** Bytes 0–255 to floats 0–1 (a division by 255). */
export interface ToTensor {
  readonly kind: 'toTensor'
}

/** `(x - mean[c]) / std[c]`, a value a channel. */
export interface Normalize {
  readonly kind: 'normalize'
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/** One after the other. */
export interface Compose {
  readonly kind: 'compose'
  readonly transforms: readonly Transform[]
}

export type Transform = ToTensor | Normalize | Compose

/** Means and standard deviations, one a channel; or one value for every channel. */
export interface NormalizeOptions {
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

function checkNormalize({ mean, std }: NormalizeOptions): void {
  if (mean.length === 0 || mean.length !== std.length) {
    throw new UsageError(
      `transforms.normalize: mean has ${mean.length} values and std ${std.length}; give one each a channel`,
    )
  }
  const wrong = [...mean, ...std].find((value) => !Number.isFinite(value))
  if (wrong !== undefined) throw new LenetError(`transforms.normalize: ${wrong} is not a finite number`)
  if (std.includes(0)) throw new LenetError('transforms.normalize: a std of 0 would divide by zero')
}

/**
 * Subtracts `mean` and divides by `std`, channel by channel. `normalize({ mean, std })` or `normalize(mean, std)`.
 * Throws UsageError when the lengths differ, LenetError for a std of 0 or a value that is not finite.
 * Source: torchvision.transforms.Normalize.
 */
function normalize(options: NormalizeOptions): Normalize
function normalize(mean: readonly number[], std: readonly number[]): Normalize
function normalize(first: NormalizeOptions | readonly number[], second: readonly number[] = []): Normalize {
  const options = 'mean' in first ? first : { mean: first, std: second }
  checkNormalize(options)
  return { kind: 'normalize', mean: [...options.mean], std: [...options.std] }
}

export const transforms = {
  /** One transform after the other. Source: torchvision.transforms.Compose. */
  compose: (list: readonly Transform[]): Compose => ({ kind: 'compose', transforms: [...list] }),
  /** Bytes 0–255 to floats 0–1, [C, H, W]. Source: torchvision.transforms.ToTensor. */
  toTensor: (): ToTensor => ({ kind: 'toTensor' }),
  normalize,
} as const
