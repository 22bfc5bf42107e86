/** The room `device`, the part for Node: the native compiler and measured choices, for whoever tells about them. */
export { startNativeService, type NoToolchain, type ToolchainInfo } from './native/index.node.js'
export { readTuning, tuningPath, writeTuning } from './tuning.node.js'
