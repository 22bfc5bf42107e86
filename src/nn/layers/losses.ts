/** Losses as modules, as PyTorch's criteria. Not here: what they compute (graph). */
import { expectWord, UsageError } from '../../base/index.js'
import { Tensor } from '../../tensor/index.js'
import * as F from '../functional.js'
import { Module } from '../module.js'
import { Buffer } from '../parameter.js'
import { expectOptions } from './check.js'

function checked<O extends F.LossOptions>(what: string, options: O, known: readonly string[] = []): O {
  expectOptions(what, options, [...known, 'reduction'])
  expectWord(what, 'reduction', options.reduction ?? 'mean', ['mean', 'sum', 'none'])
  return options
}

function bufferOf(what: string, values: Tensor | null | undefined): Buffer | null {
  if (values && !(values instanceof Tensor))
    throw new UsageError(`${what}: weights are a tensor, such as tensor([1, 2]), got ${JSON.stringify(values)}`)
  return values ? new Buffer(values) : null
}

/**
 * Softmax and negative log likelihood in one: (logits [N, C], labels [N] or probabilities [N, C]) → the mean over the
 * batch, or as `reduction` says: 'mean', 'sum', 'none'. Source: torch.nn.CrossEntropyLoss.
 * @param options weight [C], ignoreIndex (PyTorch's default -100 is none here), labelSmoothing 0, reduction
 */
export class CrossEntropyLoss extends Module {
  readonly weight: Buffer | null
  readonly #options: F.CrossEntropyOptions
  constructor(options: F.CrossEntropyOptions = {}) {
    super()
    const { weight, ...rest } = checked('CrossEntropyLoss', options, ['weight', 'ignoreIndex', 'labelSmoothing'])
    const { labelSmoothing = 0 } = rest
    if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
      throw new UsageError(`CrossEntropyLoss: labelSmoothing must be from 0 to 1, got ${labelSmoothing}`)
    this.weight = bufferOf('CrossEntropyLoss', weight)
    this.#options = rest
  }
  forward(logits: Tensor, labels: Tensor): Tensor {
    return F.crossEntropy(logits, labels, { ...this.#options, weight: this.weight })
  }
}

/** Negative log likelihood: (logarithms of probabilities [N, C], labels [N]). Source: torch.nn.NLLLoss. */
export class NLLLoss extends Module {
  readonly weight: Buffer | null
  readonly #options: F.ClassLossOptions
  constructor(options: F.ClassLossOptions = {}) {
    super()
    const { weight, ...rest } = checked('NLLLoss', options, ['weight', 'ignoreIndex'])
    this.weight = bufferOf('NLLLoss', weight)
    this.#options = rest
  }
  forward(logProbabilities: Tensor, labels: Tensor): Tensor {
    return F.nllLoss(logProbabilities, labels, { ...this.#options, weight: this.weight })
  }
}

/** (x - target)². */
export class MSELoss extends Module {
  readonly #options: F.LossOptions
  constructor(options: F.LossOptions = {}) {
    super()
    this.#options = checked('MSELoss', options)
  }
  forward(x: Tensor, target: Tensor): Tensor {
    return F.mseLoss(x, target, this.#options)
  }
}

/** |x - target|. */
export class L1Loss extends Module {
  readonly #options: F.LossOptions
  constructor(options: F.LossOptions = {}) {
    super()
    this.#options = checked('L1Loss', options)
  }
  forward(x: Tensor, target: Tensor): Tensor {
    return F.l1Loss(x, target, this.#options)
  }
}

/** Square near 0, straight from `beta` (default 1) on. */
export class SmoothL1Loss extends Module {
  readonly #options: F.SmoothL1Options
  constructor(options: F.SmoothL1Options = {}) {
    super()
    this.#options = checked('SmoothL1Loss', options, ['beta'])
  }
  forward(x: Tensor, target: Tensor): Tensor {
    return F.smoothL1Loss(x, target, this.#options)
  }
}

/** Square near 0, straight from `delta` (default 1) on, with that slope. */
export class HuberLoss extends Module {
  readonly #options: F.HuberOptions
  constructor(options: F.HuberOptions = {}) {
    super()
    this.#options = checked('HuberLoss', options, ['delta'])
  }
  forward(x: Tensor, target: Tensor): Tensor {
    return F.huberLoss(x, target, this.#options)
  }
}

/** Binary cross entropy of probabilities. Source: torch.nn.BCELoss. */
export class BCELoss extends Module {
  readonly weight: Buffer | null
  readonly #options: F.LossOptions
  constructor(options: F.BinaryLossOptions = {}) {
    super()
    const { weight, ...rest } = checked('BCELoss', options, ['weight'])
    this.weight = bufferOf('BCELoss', weight)
    this.#options = rest
  }
  forward(x: Tensor, target: Tensor): Tensor {
    return F.binaryCrossEntropy(x, target, { ...this.#options, weight: this.weight })
  }
}

/** Binary cross entropy of sigmoid(x). Source: torch.nn.BCEWithLogitsLoss. */
export class BCEWithLogitsLoss extends Module {
  readonly weight: Buffer | null
  readonly posWeight: Buffer | null
  readonly #options: F.LossOptions
  constructor(options: F.BinaryLogitsLossOptions = {}) {
    super()
    const { weight, posWeight, ...rest } = checked('BCEWithLogitsLoss', options, ['weight', 'posWeight'])
    this.weight = bufferOf('BCEWithLogitsLoss', weight)
    this.posWeight = bufferOf('BCEWithLogitsLoss', posWeight)
    this.#options = rest
  }
  forward(x: Tensor, target: Tensor): Tensor {
    const { weight, posWeight } = this
    return F.binaryCrossEntropyWithLogits(x, target, { ...this.#options, weight, posWeight })
  }
}
