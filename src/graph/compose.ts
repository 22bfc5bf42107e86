/** The operations that users meet, on nodes: each brings its operands to what infer.ts accepts. The families' index. */
export * from './composeActivation.js'
export * from './composeBatchNorm.js'
export * from './composeElementwise.js'
export * from './composeLoss.js'
export * from './composeMovement.js'
export * from './composeNet.js'
export * from './composeNorm.js'
export * from './composeReduction.js'
