/**
 * Values in lanes: how a batch lies in memory, and what becomes of it outside. Not here: how big anything is
 * (compiler/kernel.ts).
 */
import { hostArray, sizeOf, type DType, type HostArray } from '../../base/index.js'
import { unitBytes } from '../../compiler/index.js'
import type { NodeType } from '../../graph/index.js'
import type { DeviceMemory } from './memory.js'

/** What stands in memory for values of a type, in blocks of so many lanes. Bytes in lanes are words there. */
function stored(type: NodeType, lanes: number): { dtype: DType; length: number } {
  const { dtype, layout, shape } = type
  if (layout !== 'batch') return { dtype, length: sizeOf(shape) }
  const blocks = Math.ceil((shape[0] ?? 1) / lanes)
  return { dtype: dtype === 'u8' ? 'i32' : dtype, length: (blocks * unitBytes(type, lanes)) / 4 }
}

/** The values at an address, as they lie there. */
export function viewAt(memory: DeviceMemory, type: NodeType, address: number, lanes: number): HostArray {
  const { dtype, length } = stored(type, lanes)
  if (dtype === 'f32') return memory.f32(address, length)
  return dtype === 'i32' ? memory.i32(address, length) : memory.u8(address, length)
}

/** Values as they lie in memory, row-major; a copy. */
export function rowMajor(type: NodeType, from: HostArray, lanes: number): HostArray {
  if (type.layout !== 'batch') return from.slice()
  const length = sizeOf(type.shape)
  const [N = 1] = type.shape
  const rest = length / Math.max(N, 1)
  const out = hostArray(type.dtype, length)
  for (let n = 0; n < N; n++) {
    const start = Math.floor(n / lanes) * rest * lanes + (n % lanes)
    for (let i = 0; i < rest; i++) out[n * rest + i] = from[start + i * lanes] ?? 0
  }
  return out
}

/** Row-major values as they lie in blocks of so many lanes; a copy. */
export function intoLanes(type: NodeType, values: HostArray, lanes: number): HostArray {
  const { dtype, length } = stored(type, lanes)
  const out = hostArray(dtype, length)
  const [N = 1] = type.shape
  const rest = values.length / Math.max(N, 1)
  for (let n = 0; n < N; n++) {
    const start = Math.floor(n / lanes) * rest * lanes + (n % lanes)
    for (let i = 0; i < rest; i++) out[start + i * lanes] = values[n * rest + i] ?? 0
  }
  return out
}
