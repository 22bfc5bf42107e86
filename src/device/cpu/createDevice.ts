/**
 * Devices of this backend: a memory, the team of threads, and what runs compiled programs.
 * Not here: values and plans (cpuBackend.ts).
 */
import { coreCount, memoryLimit, nativeTier, readTuning, warn } from '#device-platform'
import { LenetError, UsageError } from '../../base/index.js'
import type { Target, Tuned } from '../../compiler/index.js'
import type { TierName } from '../backend.js'
import type { BackgroundTier, Device, Tier } from './device.js'
import { createInterpDevice, interpTier } from './interp.js'
import { DeviceMemory } from './memory.js'
import { Team } from './team.js'
import { triedTarget, tunedTarget, type Choices } from './tuning.js'
import { createWasmTier, noWasm, wasmSupport, type WasmSupport } from './wasm.js'

/** 'auto' begins on WebAssembly and goes on in native code where that can be had. */
export const deviceNames = ['auto', 'native', 'wasm', 'interp'] as const
export type DeviceName = (typeof deviceNames)[number]

export interface DeviceOptions {
  /** Threads that share the work, 1 to 1024. Default: all cores. No result depends on it. */
  readonly threads?: number
  /**
   * MiB that values may take, 64 to 4095; native code and the rest of the process not counted. Default: LENET_MEMORY_LIMIT of
   * the environment, or 4095, and less where the machine reserves less.
   */
  readonly memoryLimit?: number
}

/** More threads than any machine that trains small nets has cores; each costs some megabytes. */
const mostThreads = 1024

const noFma = 'WebAssembly has no fused multiply-add here: last bits differ from machines that have it'

function checkThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= mostThreads) return threads
  throw new UsageError(`threads: expected a whole number from 1 to ${mostThreads}, got ${threads}`)
}

const pagesInMib = 16
const mostMib = 4095
const leastMib = 64

/** Pages of memory for a limit in MiB. */
function pagesOf(given: number | undefined): number {
  const limit = given ?? memoryLimit() ?? mostMib
  if (Number.isFinite(limit) && limit >= leastMib && limit <= mostMib) return Math.floor(limit * pagesInMib)
  throw new UsageError(
    `${given === undefined ? 'LENET_MEMORY_LIMIT' : 'memoryLimit'}: expected MiB from ${leastMib} to ${mostMib}, got ${limit}`,
  )
}

/** A new device with a memory of its own. */
export function createDevice(name: DeviceName, options: DeviceOptions = {}): Device {
  const maximumPages = pagesOf(options.memoryLimit)
  if (name === 'interp') return createInterpDevice({ maximumPages })
  const { simd, ...support } = wasmSupport()
  const onInterp = name === 'auto' && !simd
  const fusedMultiplyAdd = support.fusedMultiplyAdd || onInterp
  const memory = new DeviceMemory({ shared: support.sharedMemory, maximumPages })
  const notices: string[] = []
  const notice = (line: string): void => void notices.push(line)
  const team = new Team(memory, checkThreads(options.threads ?? Math.min(coreCount(), mostThreads)), notice)
  const native = name === 'wasm' ? null : nativeTier(memory, team, notice, onInterp ? 'the interpreter' : 'WebAssembly')
  if (name === 'native' && !native)
    throw new LenetError("device 'native' needs Node and a C compiler: use device 'auto' or 'wasm'")
  if (name !== 'native' && !fusedMultiplyAdd) notice(noFma)
  const tuning = new Tuning(readTuning(notice))
  // without fused multiply-add in WebAssembly the bits would change when native code takes over
  const next = name === 'auto' && fusedMultiplyAdd && native ? tuning.background(native.background) : null
  if (onInterp) warn(`${noWasm()}: the interpreter computes, which is slow, until there is native code`, notice)
  const first = (): Tier => (onInterp ? interpTier(memory) : createWasmTier(memory, team))
  const tier = tuning.tier(name === 'native' && native ? native.waiting : first())
  const tune = (tuned: Tuned | null): void => void (tuning.tried = tuned)
  return {
    ...tier,
    next,
    memory,
    get threads() {
      return team.threads
    },
    fusedMultiplyAdd,
    notices,
    tune,
    ready: () => team.ready(),
    native: () => (native && (next || name === 'native') ? native.state : 'none'),
    close: async () => void (await Promise.all([team.stop(), native?.close()])),
  }
}

/** Puts measured choices, or those of somebody who tries some, into the targets of tiers. */
class Tuning {
  tried: Tuned | null = null
  readonly #choices: Choices

  constructor(choices: Choices) {
    this.#choices = choices
  }

  #target(tier: TierName, target: Target): Target {
    return this.tried ? triedTarget(target, this.tried) : tunedTarget(tier, target, this.#choices)
  }

  tier(tier: Tier): Tier {
    return { ...tier, targetFor: (n) => this.#target(tier.name, tier.targetFor(n)) }
  }

  background(tier: BackgroundTier): BackgroundTier {
    const targetFor: BackgroundTier['targetFor'] = (n) => {
      const target = tier.targetFor(n)
      return target ? this.#target(tier.name, target) : target
    }
    return { ...tier, targetFor }
  }
}

/** What this platform offers to devices. */
export function deviceInfo(): WasmSupport {
  return wasmSupport()
}
