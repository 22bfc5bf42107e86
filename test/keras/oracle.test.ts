/** Small models of every layer, loss and optimizer against real Keras: history, weights, state, predictions, texts. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { clearSession, layers, optimizers, Sequential, type Layer } from '../../src/keras/index.js'
import { tensor } from '../../src/tensor/index.js'
import { kerasDeep, kerasLayerCases, kerasNormCases, kerasOracle } from '../oracle/kerasCases.js'
import { assertSameConfig, assertTrainsAsKeras } from './kerasCase.js'

const { cases: deep, sure } = kerasDeep()
const cases = [...kerasOracle().cases, ...kerasLayerCases(), ...kerasNormCases(), ...deep]

describe('models as Keras trains them', () => {
  for (const known of cases) test(known.name, () => assertTrainsAsKeras(known))
})

describe('configurations as Keras writes them', () => {
  for (const known of cases) test(known.name, () => assertSameConfig(known))
})

const sigmoid = (): Layer => layers.dense(1, { activation: 'sigmoid', inputShape: [1] })
const sureLayers: Readonly<Record<string, () => Layer[]>> = {
  activation: () => [sigmoid()],
  layer: () => [layers.dense(1, { inputShape: [1] }), layers.activation('sigmoid')],
  reshaped: () => [sigmoid(), layers.reshape([1])],
  rescaled: () => [sigmoid(), layers.rescaling(1)],
  hard: () => [layers.dense(1, { activation: 'hard_sigmoid', inputShape: [1] })],
}

describe('binary cross-entropy of a net that is sure and wrong', () => {
  for (const [name, known] of Object.entries(sure))
    test(name, async () => {
      for (const { bias, loss, after } of known) {
        clearSession()
        const model = new Sequential(sureLayers[name]!())
        model.setWeights([[[0]], [bias]])
        model.compile({ optimizer: optimizers.sgd({ learningRate: 1 }), loss: 'binaryCrossentropy' })
        const x = tensor([[1]])
        const [evaluated = NaN] = [await model.evaluate(x, x, { verbose: 0 })].flat()
        const { history } = await model.fit(x, x, { verbose: 0 })
        const found = [evaluated, history['loss']?.[0], model.getWeights()[1]?.item()]
        const wanted = [loss, loss, after]
        found.forEach((value = NaN, i) => assert.ok(Math.abs(value - wanted[i]!) < 1e-5, `${bias}: ${found}`))
      }
    })
})
