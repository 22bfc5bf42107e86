/** The room `keras` for Node: everything that `import … from 'lenet/keras'` finds. */
/// <reference types="node" preserve="true" />
import '../base/nodeVersion.node.js'
import { LenetError } from '../base/index.js'
import { manualSeed, tensor, type Tensor, type TensorData } from '../tensor/index.js'
import { BackupAndRestore, ModelCheckpoint } from './callbacks/checkpoints.node.js'
import { CSVLogger } from './callbacks/csvLogger.node.js'
import { Callback, History, LambdaCallback } from './callbacks/callback.js'
import { EpochEvents } from './callbacks/epochEvents.js'
import { EarlyStopping, ReduceLROnPlateau } from './callbacks/monitor.js'
import { LearningRateScheduler, TerminateOnNaN } from './callbacks/plain.js'
import { TensorBoard } from './callbacks/tensorBoard.node.js'
import { imageDatasetFromDirectory } from './datasets.node.js'
import { clearSession } from './naming.js'
import { loadModel } from './save.node.js'
import { take } from './take.js'
import { Sequential, type SequentialOptions } from './sequential.js'
import type { KerasTensor } from './kerasTensor.js'
import { Functional, type ModelOptions } from './functional.js'
import { asTensor, expectWhole, type Layer } from './layer.js'
import { Model } from './model.js'

export * from './index.js'
export type {
  BackupAndRestore,
  BackupAndRestoreOptions,
  ModelCheckpoint,
  ModelCheckpointOptions,
} from './callbacks/checkpoints.node.js'
export type { CSVLogger, CSVLoggerOptions } from './callbacks/csvLogger.node.js'
export type { TensorBoard, TensorBoardOptions } from './callbacks/tensorBoard.node.js'
export {
  datasets,
  type DataSet,
  type ImageDirectory,
  type ImageDirectoryOptions,
  type LoadDataOptions,
} from './datasets.node.js'
export { loadModel, type LoadModelOptions } from './save.node.js'
export { fromArray, tensor, Tensor } from '../tensor/index.js'

/** `sequential([...])`: a model of these layers; without any, add() them. */
export const sequential = (layers: Iterable<Layer | KerasTensor> = [], options: SequentialOptions = {}): Sequential =>
  new Sequential(layers, options)

/** `model({ inputs, outputs })`: what lies between an Input and what layers made of it. Source: keras.Model. */
export const model = (options: ModelOptions): Functional => new Functional(options)

export const models = { Functional, Model, Sequential, model, sequential, loadModel } as const

/** What is told of training, and steps in. */
export const callbacks = {
  BackupAndRestore,
  CSVLogger,
  Callback,
  EarlyStopping,
  EpochEvents,
  History,
  LambdaCallback,
  LearningRateScheduler,
  ModelCheckpoint,
  ReduceLROnPlateau,
  TensorBoard,
  TerminateOnNaN,
} as const

export const utils = {
  take,
  imageDatasetFromDirectory,
  clearSession,
  /**
   * Initial weights, the order of batches, dropout and random layers follow from it, the same in each run. The numbers
   * are our own, not those of TensorFlow for the same seed. Source: keras.utils.set_random_seed.
   */
  setRandomSeed(seed: number): void {
    manualSeed(seed)
  },
  /**
   * Class numbers [N, …] as rows of zeros and a one [N, …, numClasses]; a last dimension of 1 falls away. Fractions are cut
   * off, and negative numbers count from the last class. Source: keras.utils.to_categorical.
   * @param numClasses default: the largest number + 1
   * @throws LenetError for a class that there is not
   */
  toCategorical(labels: Tensor | TensorData, numClasses?: number): Tensor {
    const given = asTensor(labels)
    const classes = Array.from(given.toTypedArray(), Math.trunc)
    const count = numClasses ?? classes.reduce((most, label) => Math.max(most, label + 1), 0)
    expectWhole('toCategorical', 'numClasses', count, 0)
    const rows = new Float32Array(classes.length * count)
    classes.forEach((label, i) => {
      if (!(label >= -count && label < count))
        throw new LenetError(
          `toCategorical: label ${label} at place ${i} is not one of the ${count} classes 0 to ${count - 1}`,
        )
      rows[i * count + (label < 0 ? label + count : label)] = 1
    })
    const { shape } = given
    const outer = shape.length > 1 && shape.at(-1) === 1 ? shape.slice(0, -1) : shape
    return tensor(rows, { shape: [...outer, count] })
  },
} as const
