/** The fixed batch of frozen.json, made from the generator: no data set is needed. Not here: what was learnt from it. */
import { Generator } from '../../src/base/index.js'

export const frozenBatchShape = [32, 3, 32, 32] as const

/** Pixels [32, 3, 32, 32] (the low byte of each draw of mt19937(7), in order) and labels i mod 10. */
export function frozenBatch(): { pixels: Uint8Array; labels: Int32Array } {
  const generator = new Generator(7)
  const pixels = new Uint8Array(32 * 3 * 32 * 32)
  for (let i = 0; i < pixels.length; i++) pixels[i] = generator.randomU32() & 255
  return { pixels, labels: Int32Array.from({ length: 32 }, (_, i) => i % 10) }
}
