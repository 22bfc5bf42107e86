/** Files of models: waits for the formats. */
import { LenetError } from '../base/index.js'
import type { Sequential } from './sequential.js'

const missing = (path: string): LenetError => new LenetError(`${path}: Keras' files are not there yet`)

export async function saveModel(_model: Sequential, path: string): Promise<void> {
  throw missing(path)
}

export async function saveWeights(_model: Sequential, path: string): Promise<void> {
  throw missing(path)
}

export async function loadWeights(_model: Sequential, path: string): Promise<void> {
  throw missing(path)
}
