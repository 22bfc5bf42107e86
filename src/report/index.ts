/** The room `report`: data → text and escape codes for people. Pure functions; who writes them where is the cli's matter. */
export * from './log.js'
export * from './picture.js'
export * from './progress.js'
export * from './table.js'
export * from './terminal.js'
export * from './text.js'
export { PredictionTable, printable, type PredictionTableOptions } from './predictions.js'
