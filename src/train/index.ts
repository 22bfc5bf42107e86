/** The room `train`: the training loop, evaluation, and the state to go on from. */
export { CheckpointReader, checkpointOf, type RunSettings } from './checkpoint.js'
export { evaluateNet, type Evaluation, type Net } from './evaluate.js'
export type { DoneEvent, EpochEvent, EpochFigures, EvaluateEvent, LogEvent, TrainEvent } from './events.js'
export { StepTimes } from './stepTimes.js'
export { logEvery, Trainer, type Means, type Progress, type TrainerOptions } from './trainer.js'
