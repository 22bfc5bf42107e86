/**
 * lenet, the library: everything that `import … from 'lenet'` finds. It is for Node: browsers take the rooms that it is
 * made of. Not here: the command line (cli).
 */
/// <reference types="node" preserve="true" />
import './base/nodeVersion.node.js'
import { makeGrid } from './data/index.js'
import { saveImage } from './data/index.node.js'
import { load, save } from './nn/save.node.js'
import {
  arange,
  cat,
  equal,
  full,
  manualSeed,
  max,
  noGrad,
  ones,
  rand,
  randn,
  randperm,
  stack,
  tensor,
  where,
  zeros,
} from './tensor/index.js'

export { Generator, LenetError, UsageError, type DType, type Shape } from './base/index.js'
export { classifier, type Classifier, type ClassifierOptions, type Picture, type Prediction } from './classifier.js'
export * as data from './data/index.js'
export { DataLoader, ImageDataset, TensorDataset, transforms, type Batch, type Dataset } from './data/index.js'
export { datasets, type DatasetOptions, type FolderOptions } from './data/index.node.js'
export type { FormatName, ModelFile } from './files/index.js'
export type { OutputActivation } from './formats/index.js'
export { loadModel, saveModel, type LoadModelOptions, type SaveModelOptions } from './files/model.node.js'
export type { NetFile, NetPreprocessing } from './formats/index.js'
export { LeNet, LeNet1 } from './models/index.js'
export {
  compileInference,
  F,
  nn,
  optim,
  type Inference,
  type InferenceInput,
  type InferenceOptions,
  type Layer,
  type Loaded,
  type LoadOptions,
  type LoadResult,
  type StateDict,
} from './nn/index.js'
export { setLogger, taskTime, TaskTime } from './taskTime.js'
export {
  closeDevice,
  memoryUsage,
  compileStep,
  deviceInUse as device,
  setDevice,
  Tensor,
  type DeviceInUse,
  type MaxPair,
  type MemoryUsage,
  type Nested,
  type Operand,
  type StepFunction,
  type TensorData,
  type TensorOptions,
} from './tensor/index.js'
export { load, manualSeed, max, noGrad, save, tensor, zeros }

/** Functions under the names that PyTorch's users look for them. */
export const torch = {
  arange,
  cat,
  equal,
  full,
  load,
  manualSeed,
  max,
  noGrad,
  ones,
  rand,
  randn,
  randperm,
  save,
  stack,
  tensor,
  where,
  zeros,
} as const

/** torchvision.utils. */
export const utils = { makeGrid, saveImage } as const
