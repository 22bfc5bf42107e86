/** A worker of native.test.ts: loads a library and runs a step on the memory it shares with the main thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { loadLibrary } from '../../src/device/cpu/native/library.node.js'
import type { BuiltPart } from '../../src/device/cpu/native/types.js'
import { program } from './nativeTools.js'

const { part, memory, tid }: { part: BuiltPart; memory: WebAssembly.Memory; tid: number } = workerData
const library = loadLibrary(part, program, memory)
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
parentPort?.postMessage('error' in library ? library.error : library.step(64, tid, 2, 5))
