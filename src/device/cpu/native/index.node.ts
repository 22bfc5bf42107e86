/**
 * The native compiler service: C source in, checked and loadable library out. For Node only.
 * Not here: what is compiled (compiler/render/c) and who calls it.
 */
export { startNativeService } from './service.node.js'
export { NativeTier } from './tier.node.js'
export type { NoToolchain, ToolchainInfo } from './types.js'
