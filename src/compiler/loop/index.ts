/** The loop IR, its builder, its verifier and the interpreter that is its definition. */
export * from './build.js'
export * from './interp.js'
export type * from './ir.js'
export * from './same.js'
export * from './team.js'
export * from './verify.js'
