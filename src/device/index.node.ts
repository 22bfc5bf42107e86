/** The room `device`, the part for Node: the native compiler and measured choices, for whoever tells about them. */
export { startNativeService, type NoToolchain, type ToolchainInfo } from './cpu/native/index.node.js'
export { enableRelaxedSimd } from './cpu/switches.node.js'
export { readTuning, tuningPath, writeTuning } from './cpu/tuning.node.js'
