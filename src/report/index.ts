/** The room `report`: data → text and escape codes for people. Pure functions; who writes them where is the cli's matter. */
export { lineChart, niceTicks, spread, type ChartOptions, type Series } from './chart.js'
export {
  comparisonPicture,
  comparisonTable,
  factors,
  type ComparedNet,
  type ComparedRun,
  type Factor,
} from './comparison.js'
export { comparisonText } from './comparisonText.js'
export { percentTick, trainingCurves, type CurvePoint } from './curves.js'
export * from './log.js'
export * from './picture.js'
export * from './progress.js'
export { structurePicture, type NetStage } from './structure.js'
export { ink, lineColors, svgLine, svgSheet, svgText } from './svg.js'
export * from './table.js'
export * from './terminal.js'
export * from './text.js'
export { PredictionTable, printable, type PredictionTableOptions } from './predictions.js'
