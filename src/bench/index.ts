/** The room `bench`: how fast we are, and others. Measuring itself needs processes: run.node.ts. */
export type { KernelFigure, Measurement, Peak, Skipped } from './figures.js'
export { blobs } from './pictures.js'
export { netNames, type NetName } from './nets.js'
export { parts, planOf, type BenchPlan, type Part, type PlanOptions } from './plan.js'
export { growthTable, kernelTable, peakTable, ratioTable, stepTable } from './tables.js'
