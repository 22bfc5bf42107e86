/**
 * Trains the small models of the Keras oracles in Keras' idiom and writes them into a folder, for check_models.py: .keras,
 * .h5, .weights.h5, and inputs with the outputs that they must give. Reads back what it finds there as NAME.theirs.keras or
 * .theirs.h5 and writes what these give.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clearSession, loadModel, type Model, type Tensor } from '../../../src/keras/index.node.js'
import { kerasLayerCases, kerasOracle } from '../../oracle/kerasCases.js'
import { kerasDataOf, kerasModelOf } from '../../keras/kerasCase.js'

const [, , folder = '.'] = process.argv

const numbersOf = (x: Tensor): number[] => Array.from(x.toTypedArray())

async function outputs(model: Model, x: Tensor): Promise<{ x: number[]; y: number[]; shape: readonly number[] }> {
  const y = await model.predict(x, { verbose: 0 })
  return { x: numbersOf(x), y: numbersOf(y), shape: x.shape }
}

const told: Record<string, unknown> = {}
for (const known of [...kerasOracle().cases, ...kerasLayerCases()]) {
  clearSession()
  const name = known.name.replaceAll(' ', '_')
  const model = kerasModelOf(known)
  const [x, y] = kerasDataOf(model, known)
  const theirs = readdirSync(folder).filter((file) => file.startsWith(`${name}.theirs.`))
  if (theirs.length > 0) {
    const found = theirs.map(
      async (file) => [file, await outputs(await loadModel(join(folder, file), { compile: false }), x)] as const,
    )
    for (const [file, values] of await Promise.all(found)) told[file] = values
    continue
  }
  await model.fit(x, y, { batchSize: 8, verbose: 0 })
  try {
    for (const end of ['keras', 'h5']) await model.save(join(folder, `${name}.${end}`))
    await model.saveWeights(join(folder, `${name}.weights.h5`))
    told[name] = await outputs(model, x)
  } catch (error) {
    told[name] = { refused: String(error) }
  }
}
writeFileSync(join(folder, 'models.json'), JSON.stringify(told))
