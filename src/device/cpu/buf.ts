/** What every buffer of this backend can do besides. Not here: leaves (region.ts), what plans leave (result.ts). */
import type { HostArray } from '../../base/index.js'
import type { NodeType } from '../../graph/index.js'
import type { Buf } from '../backend.js'

export interface CpuBuf extends Buf {
  /** Its memory is used in the run that begins. */
  touch(): void
  /** Where the value at byte `at` lies as a plan of so many lanes reads it; null where it must be copied. */
  addressFor(at: number, type: NodeType, lanes: number): number | null
  /** That value for such a plan. */
  valuesFor(at: number, type: NodeType, lanes: number): HostArray
  /** Row-major, in an array of their own. */
  bytesAt(at: number, bytes: number): Uint8Array
}
