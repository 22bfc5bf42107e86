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
  mixed: 'e28927076df571291c07d4332e942aa7',
  separable: '7f7d63c58b7849953bf14ffcdcb9d755',
  resnet20: '3aa9884a0e2a307bfe3428307e741c0e',
  dense: '1e8622841a9f6db4a4630bd9a8c892f6',
}
/** After two steps: 8 pictures, and one. */
export const frozenShort: Readonly<Record<NetName, string>> = {
  lenet: '4ee39498cfdb7c0f1e4474148b418d7a',
  lenet1: '52f4f7c3e0d94d0e52d88d4655bda17d',
  mixed: '60bd0fbbc956cde90ac4cef29ec8dae3',
  separable: 'e4c0b3b174fcc2026131668aad9dbc82',
  resnet20: '2eec3e53e03f901e03964b85d71dbca8',
  dense: '2009fc1ca049722d957c9bba1b94f8c1',
}
