/** `--device` and `--threads`: checked, and made to count. Not here: devices (device). */
import { availableParallelism } from 'node:os'
import { UsageError } from '../base/index.js'
import { deviceNames, type DeviceName } from '../device/index.js'
import { device, setDevice, tierInUse } from '../tensor/index.js'
import type { Output } from './output.js'

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
export function useDevice(flags: DeviceFlags, output: Output): DeviceWatch {
  const { device: name, threads } = flags
  checkDevice(flags)
  const cores = availableParallelism()
  if (threads !== undefined && threads > cores)
    output.notice(`--threads ${threads}: only ${cores} cores here: using ${cores}`)
  if (isDevice(name)) setDevice(name, threads === undefined ? {} : { threads: Math.min(threads, cores) })
  // Now, not in the middle of the work: whether there is a compiler.
  if (name === 'native') device().targetFor(1)
  return new DeviceWatch(output)
}

/** Where steps run, and what the device has to say: told as it happens. */
export class DeviceWatch {
  readonly #output: Output
  #told = 0
  #tier: TierName | undefined

  constructor(output: Output) {
    this.#output = output
  }

  /** Where the last step ran that was looked at; else where anything ran last. */
  get tier(): TierName {
    return this.#tier ?? tierInUse()
  }

  get threads(): number {
    return device().threads
  }

  /** Right after a step: reading values runs plans too, on tiers of their own. */
  afterStep(): void {
    const tier = tierInUse()
    if (this.#tier && tier !== this.#tier && tier === 'native')
      this.#output.info('native code is ready: steps run in it from here on')
    this.#tier = tier
    this.tell()
  }

  /** Lines that were not told yet: why there is no native code, say. */
  tell(): void {
    for (const { notices } = device(); this.#told < notices.length; this.#told++)
      this.#output.notice(notices[this.#told] ?? '')
  }
}

type TierName = ReturnType<typeof tierInUse>
