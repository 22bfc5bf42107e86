/**
 * How many pictures are read and given to a net at once where nothing is learnt: their own numbers take memory too, which is not
 * the device's. Not here: training's batches, which users choose; what does not fit on the device (tensor/pieces.ts).
 */
import type { Shape } from '../../base/index.js'
import type { Module } from '../module.js'
import { GraphModule } from './graphModule.js'

/** What the values of such a batch may take. */
const mostBytes = 2 ** 28

/**
 * A power of two, or `most`: so many pictures that their values fit in memory together; results are the same. Of nets out of
 * files, whose values are known; others are given `most`.
 * @param sizes of a picture: [C, H, W]
 */
export function picturesAtOnce(net: Module, sizes: Shape, most: number): number {
  const bytes = net instanceof GraphModule ? net.valueBytes(sizes) : undefined
  if (bytes === undefined) return most
  const count = mostBytes / bytes
  return count >= most ? most : 2 ** Math.max(0, Math.floor(Math.log2(count)))
}
