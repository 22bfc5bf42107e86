/** Small models of every layer, loss and optimizer against real Keras: history, weights, state, predictions, texts. */
import { describe, test } from 'node:test'
import { Functional, Sequential, type Model } from '../../src/keras/index.js'
import { kerasLayerCases, kerasOracle, type KerasCase } from '../oracle/kerasCases.js'
import { assertSameConfig, assertTrainsAsKeras } from './kerasCase.js'

const cases = [...kerasOracle().cases, ...kerasLayerCases()]

const modelOf = ({ config }: KerasCase): Model =>
  'input_layers' in config ? Functional.fromConfig(config) : Sequential.fromConfig(config)

describe('models as Keras trains them', () => {
  for (const known of cases) test(known.name, () => assertTrainsAsKeras(known, () => modelOf(known)))
})

describe('configurations as Keras writes them', () => {
  for (const known of cases) test(known.name, () => assertSameConfig(known, () => modelOf(known)))
})
