/** The room `tensor`: what people hold in their hands, and how it becomes values. */
export { compileStep, type StepFunction } from './compileStep.js'
export {
  compute,
  endBatch,
  endStep,
  flushWrites,
  forgetUses,
  noGrad,
  parametersInUse,
  takeBackwardRoots,
  writeLater,
} from './autograd.js'
export {
  arange,
  equal,
  fromArray,
  full,
  ones,
  ownTensor,
  rand,
  randn,
  randperm,
  tensor,
  zeros,
  type TensorData,
  type TensorOptions,
} from './create.js'
export { cat, checkpointed, keepOutput, max, stack, where } from './functions.js'
export { defaultGenerator, manualSeed, nextRandomKey, randomState, setRandomState, type RandomState } from './random.js'
export { allPlans, cpuPlans, forgetPlans, tierInUse } from './plans.js'
export { everyStep, noteChange, recording } from './recording.js'
export { packLeaves, renewLeaf, residentBytes, residentLeaf, zerosLeaf } from './leaves.js'
export { read } from './runtime.js'
export { StepCache } from './stepCache.js'
export { closeDevice, cpuBackend, device, setDevice, useBackend } from './current.js'
export { DeviceInUse, deviceInUse, memoryUsage } from './deviceInUse.js'
export type { MemoryUsage, TierName } from '../device/index.js'
export type { Nested } from './nested.js'
export { Tensor, type MaxPair, type Operand } from './tensor.js'

/** Operations on nodes of the graph, for layers, optimizers and data sets: they are composed of these. */
export * as ops from '../graph/index.js'
export type { AvgPoolOptions, ConvOptions, Node, PoolOptions, Reduction, Size2 } from '../graph/index.js'
