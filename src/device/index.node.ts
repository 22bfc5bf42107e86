/** The room `device`, the part for Node: the native compiler, for whoever tells about it. */
export { startNativeService, type NoToolchain, type ToolchainInfo } from './native/index.node.js'
