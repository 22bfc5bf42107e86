/** How long steps take on the tier in use, warm-up left out. Not here: measuring (trainer.ts). */
import type { TierName } from '../tensor/index.js'

/** First steps on a tier that do not count: compilers are still at work, caches cold. */
const warmUpSteps = 20

export class StepTimes {
  #ms: number[] = []
  tier: TierName | null = null

  /** A step of so many milliseconds. With another tier the list begins anew. */
  add(ms: number, tier: TierName): void {
    if (tier !== this.tier) this.#ms = []
    this.tier = tier
    this.#ms.push(ms)
  }

  /** The median, of the later half of fewer than 40 steps; of a single step its own time. NaN before the first. */
  median(): number {
    const counted = this.#ms.slice(Math.min(warmUpSteps, this.#ms.length >> 1)).sort((a, b) => a - b)
    return counted[counted.length >> 1] ?? NaN
  }
}
