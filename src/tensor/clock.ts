/**
 * Counts optimizer steps and batches. What was made at or before `lastStep` was made from parameters that have changed
 * since; what was made before `now` belongs to an earlier batch.
 */
export const clock = { now: 1, lastStep: 0 }
