/**
 * Measures in alternating rounds: everybody a short while, then everybody again, so that a machine that gets slower for
 * a minute is slower for all. Not here: what participants are (participant.node.ts).
 */
import { messageOf } from '../base/index.js'

export interface Measured {
  readonly ms: readonly number[]
  readonly peakMB?: number
}

/** Somebody who can be measured; warmed up already. */
export interface Measurable {
  /** Milliseconds of each step in the next so many seconds: of one step at least. And the most memory so far, if known. */
  measure(seconds: number): Promise<Measured>
}

export interface RoundsOptions {
  readonly rounds: number
  /** Of each participant in each round. */
  readonly seconds: number
  /** What else is to be done in each round. */
  readonly between?: (round: number) => Promise<void>
}

export interface Outcome {
  /** Of all rounds. */
  readonly ms: readonly number[]
  readonly peakMB?: number
  /** Why it ended before its time; its steps until then count for nothing. */
  readonly failure?: string
}

/**
 * @param participants each may say in how many rounds it takes part at most (slow ones)
 * @returns one outcome each, in their order
 */
export async function inRounds(
  participants: readonly { readonly who: Measurable; readonly maxRounds?: number }[],
  { rounds, seconds, between }: RoundsOptions,
): Promise<Outcome[]> {
  const outcomes = participants.map((): { ms: number[]; peakMB?: number; failure?: string } => ({ ms: [] }))
  for (let round = 0; round < rounds; round++) {
    await between?.(round)
    for (const [i, { who, maxRounds = rounds }] of participants.entries()) {
      const outcome = outcomes[i]
      if (!outcome || outcome.failure !== undefined || round >= maxRounds) continue
      try {
        const { ms, peakMB } = await who.measure(seconds)
        outcome.ms.push(...ms)
        if (peakMB !== undefined) outcome.peakMB = peakMB
      } catch (error) {
        outcome.failure = messageOf(error)
      }
    }
  }
  return outcomes
}
