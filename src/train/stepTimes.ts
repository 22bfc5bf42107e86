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

  /** The median; NaN before the second step on a tier, since the first compiles. */
  median(): number {
    const skipped = this.#ms.length > 2 * warmUpSteps ? warmUpSteps : Math.ceil(this.#ms.length / 2)
    const counted = this.#ms.slice(skipped).sort((a, b) => a - b)
    return counted[counted.length >> 1] ?? NaN
  }
}
