/** `--device` and `--threads`: checked, and made to count. Not here: devices (device). */
import { availableParallelism } from 'node:os'
import { UsageError } from '../base/index.js'
import { setDevice } from '../tensor/index.js'
import type { Output } from './output.js'

const deviceNames = ['auto', 'native', 'wasm', 'interp'] as const
type DeviceName = (typeof deviceNames)[number]

export interface DeviceFlags {
  readonly device: string
  /** A whole number of 1 or more; default all cores. */
  readonly threads?: number | undefined
}

const isDevice = (name: string): name is DeviceName => (deviceNames as readonly string[]).includes(name)

/** Whether the flags are right; nothing is started. */
export function checkDevice({ device }: DeviceFlags): void {
  if (!isDevice(device)) throw new UsageError(`--device ${device}: there are auto, native, wasm and interp`)
}

/**
 * Chooses the device for all that is computed from here on.
 * @throws UsageError for a name that does not exist, LenetError where the device cannot be had
 */
export function useDevice(flags: DeviceFlags, output: Output): void {
  const { device, threads } = flags
  if (!isDevice(device)) return checkDevice(flags)
  const cores = availableParallelism()
  if (threads !== undefined && threads > cores)
    output.notice(`--threads ${threads}: only ${cores} cores here: using ${cores}`)
  setDevice(device, threads === undefined ? {} : { threads: Math.min(threads, cores) })
}
