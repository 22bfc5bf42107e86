/**
 * What long trainings (longTraining.ts) must have learnt, on every device, processor and version of Node: digests of the
 * weights. Who changes the order of a sum on purpose (docs/decisions/0002-order-of-sums.md) writes down what
 * sameBits.test.ts then finds everywhere.
 */
import type { NetName } from './longTraining.js'

/** After 20 steps, every other one of a single picture. */
export const frozen: Readonly<Record<NetName, string>> = {
  lenet: '6f66d3d6ede6a98a45901952cb7b1eab',
  lenet1: 'f01ee0fd4c9a6727aae4207992f0b7ec',
  mixed: '8bcf35188433e9472e713ae63078f0e8',
  separable: '5b1d4814203644e2f3888ec7d05c2c6d',
}
/** After two steps: 8 pictures, and one. */
export const frozenShort: Readonly<Record<NetName, string>> = {
  lenet: '4ee39498cfdb7c0f1e4474148b418d7a',
  lenet1: '52f4f7c3e0d94d0e52d88d4655bda17d',
  mixed: '2bb06584ad012d7de1099e5434c7b3eb',
  separable: '3426838b87850c3c20115a999975a2af',
}
