/** A few rows of a data set, for looking at: only they are computed. Not here: batches for training (run.ts). */
import { UsageError } from '../base/index.js'
import type { Tensor } from '../tensor/index.js'
import { asTensor, expectWhole } from './layer.js'
import { Places, Rows } from './rows.js'

/** Rows `start` … `end` - 1 of each tensor, computed: `take([images, labels], 0, 5)`. */
export function take<const T extends readonly Tensor[]>(
  tensors: T,
  start: number,
  end: number,
): { -readonly [K in keyof T]: Tensor }
export function take(tensors: readonly Tensor[], start: number, end: number): Tensor[] {
  if (!Array.isArray(tensors)) throw new UsageError('take: expects a list of tensors: take([images, labels], 0, 5)')
  expectWhole('take', 'start', start, 0)
  expectWhole('take', 'end', end, 0)
  return tensors.map((x) => {
    const rows = new Rows(asTensor(x))
    const last = Math.min(end, rows.length)
    const index = Int32Array.from({ length: Math.max(0, last - start) }, (_, i) => start + i)
    const found = rows.at(new Places(index))
    return (x.dim() === 4 ? found.permute(0, 2, 3, 1) : found).realize()
  })
}
