/** The room `bench`: how fast we are, and others. Measuring itself needs processes: run.node.ts. */
export type { KernelFigure, Measurement, Skipped } from './figures.js'
export { blobs } from './pictures.js'
export { netNames } from './nets.js'
export { parts, planOf, type BenchPlan, type Part } from './plan.js'
export { growthTable, kernelTable, missingText, peakTable, ratioTable, stepTable } from './tables.js'
