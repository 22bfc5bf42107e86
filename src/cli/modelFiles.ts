/** Models out of files, with what `--model` says of them. Not here: files (room files), nets by name or source (models.ts). */
import { existsSync } from 'node:fs'
import type { ModelFile, Says } from '../files/index.js'
import * as files from '../files/model.node.js'
import { namedNets } from '../models/index.js'
import { isSource, makerOf } from './models.js'

/** `--model`: a net's name, a source file, or another file of a whole model. */
async function saysOf(model: string): Promise<Says> {
  const isFile = !Object.hasOwn(namedNets, model) && !isSource(model) && existsSync(model)
  return isFile ? files.saysOfFile(model) : { name: model, make: await makerOf(model) }
}

/** The model of a file, or of a TensorFlow.js folder. Throws LenetError in one sentence that names file, part and reason. */
export const readModel = async (path: string, model?: string): Promise<ModelFile> =>
  files.readModel(path, model === undefined ? undefined : await saysOf(model))
