/** Small models of every layer, loss and optimizer against real Keras: history, weights, state, predictions, texts. */
import { describe, test } from 'node:test'
import { Sequential } from '../../src/keras/index.js'
import { kerasLayerCases, kerasOracle } from '../oracle/kerasCases.js'
import { assertSameConfig, assertTrainsAsKeras } from './kerasCase.js'

const cases = [...kerasOracle().cases, ...kerasLayerCases()]

describe('models as Keras trains them', () => {
  for (const known of cases)
    test(known.name, () => assertTrainsAsKeras(known, () => Sequential.fromConfig(known.config)))
})

describe('configurations as Keras writes them', () => {
  for (const known of cases) test(known.name, () => assertSameConfig(known, () => Sequential.fromConfig(known.config)))
})
