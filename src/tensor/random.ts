/**
 * The one generator that initial weights and the order of batches are drawn from, and the keys of dropout.
 * Not here: the generator itself (base/rng.ts), nor who draws when.
 */
import { Generator, type GeneratorState } from '../base/index.js'
import { recording } from './recording.js'

/** As PyTorch's: not the same in two runs unless `manualSeed` is called. */
function chanceSeed(): number {
  const words = crypto.getRandomValues(new Uint32Array(1))
  return words[0] ?? 0
}

export const defaultGenerator = new Generator(chanceSeed())

let keysDrawn = 0

/**
 * Starts the default generator anew: what is drawn afterwards follows PyTorch's CPU generator number for number
 * (initial weights, order of batches). Dropout starts anew too, with its own numbers. Source: torch.manual_seed.
 * @param seed a whole number; only its low 32 bits count
 */
export function manualSeed(seed: number | bigint): Generator {
  keysDrawn = 0
  return defaultGenerator.manualSeed(seed)
}

/**
 * The key of the next dropout mask: (seed, how many were drawn since it was set). It takes nothing from the generator,
 * so that a net with dropout sees its batches in the same order as one without.
 */
export function nextRandomKey(): Int32Array<ArrayBuffer> {
  const key = new Int32Array(2)
  drawKey(key)
  recording()?.keys.push(key)
  return key
}

/** Draws the next key into `key`. */
export function drawKey(key: Int32Array): void {
  key[0] = defaultGenerator.seed32 | 0
  key[1] = keysDrawn++
}

/** Where all random numbers stand: the default generator and dropout's keys. */
export interface RandomState {
  readonly generator: GeneratorState
  readonly keysDrawn: number
}

export const randomState = (): RandomState => ({ generator: defaultGenerator.getState(), keysDrawn })

/** Goes on from a `randomState()`: what is drawn next is what was drawn next then. */
export function setRandomState(state: RandomState): void {
  defaultGenerator.setState(state.generator)
  keysDrawn = state.keysDrawn
}
