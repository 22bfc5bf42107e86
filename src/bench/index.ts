/** The room `bench`: how fast we are, and others. Measuring itself needs processes: run.node.ts. */
export type { KernelFigure, Measurement, Skipped } from './figures.js'
export { blobs } from './pictures.js'
export { articleNets, netNames, type NetName } from './nets.js'
export { sharesOf } from './shares.js'
export { parts, planOf, type BenchPlan, type Part } from './plan.js'
export { growthTable, kernelTable, missingText, peakTable, ratioTable, shareTable, stepTable } from './tables.js'
