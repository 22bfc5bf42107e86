/** A check that F.conv2d and nn.Conv2d share. Not here: what 'same' means (graph). */
import { UsageError } from '../base/index.js'
import { ops, type ConvOptions, type Size2 } from '../tensor/index.js'

/** As PyTorch, 'same' is for a stride of 1: what it means else differs from library to library. */
export function checkSamePadding(what: string, padding: ConvOptions['padding'], stride: Size2 = 1): void {
  if (padding === 'same' && ops.pair(stride).some((step) => step !== 1))
    throw new UsageError(`${what}: padding 'same' is not supported for strided convolutions; give numbers`)
}
