/** Small models of every layer, loss and optimizer against real Keras: history, weights, state, predictions, texts. */
import { describe, test } from 'node:test'
import { kerasLayerCases, kerasOracle } from '../oracle/kerasCases.js'
import { assertSameConfig, assertTrainsAsKeras } from './kerasCase.js'

const cases = [...kerasOracle().cases, ...kerasLayerCases()]

describe('models as Keras trains them', () => {
  for (const known of cases) test(known.name, () => assertTrainsAsKeras(known))
})

describe('configurations as Keras writes them', () => {
  for (const known of cases) test(known.name, () => assertSameConfig(known))
})
