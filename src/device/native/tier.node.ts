/**
 * The tier that runs programs as C, compiled on this machine: in the background while another tier works, or waited for.
 * Not here: how C is spelled (compiler/render/c), compiled and kept (service.node.ts).
 */
import { LenetError } from '../../base/index.js'
import {
  distinct,
  forTeam,
  lanesFor,
  nativeTarget,
  packProgram,
  renderC,
  verify,
  type Program,
  type Target,
} from '../../compiler/index.js'
import type { BackgroundTier, Executable, NativeState, Pending, Tier } from '../device.js'
import type { DeviceMemory } from '../memory.js'
import type { Team } from '../team.js'
import { callerPath, loadFunctions, loadLibrary } from './library.node.js'
import { sharedNativeService, type NativeBuild, type NativeService } from './service.node.js'
import type { BuildFailure, Built, NoToolchain, ToolchainInfo } from './types.js'

const manyRegisters = ['avx512f', 'neon', 'sve']

function targetOf({ lanes: most, features }: ToolchainInfo, n: number, threads: number): Target {
  const registers = manyRegisters.some((feature) => features.includes(feature)) ? 32 : 16
  return forTeam(nativeTarget(lanesFor(most, n, threads), registers, most), n, threads)
}

export class NativeTier {
  readonly #memory: DeviceMemory
  readonly #team: Team
  readonly #notice: (line: string) => void
  readonly #meanwhile: string
  #service: NativeService | null = null
  #loaded = false
  #hasFailed = false
  /** Programs that are being compiled in the background. */
  #waiting = 0
  #told = false

  /**
   * @param notice is given lines for the user: why something is not as it could be
   * @param meanwhile what computes where there is no native code
   */
  constructor(memory: DeviceMemory, team: Team, notice: (line: string) => void, meanwhile: string) {
    this.#meanwhile = meanwhile
    this.#memory = memory
    this.#team = team
    this.#notice = notice
  }

  /** Waits for the compiler. `compile` and `targetFor` throw a LenetError that says why there is no native code. */
  get waiting(): Tier {
    return {
      name: 'native',
      targetFor: (n) => targetOf(this.#required(), n, this.#team.threads),
      compile: (program) => {
        this.#required()
        const found = this.#load(this.#build(program).wait(), program)
        if ('error' in found) throw new LenetError(`--device native: ${found.error}`)
        return found
      },
    }
  }

  get background(): BackgroundTier {
    return {
      name: 'native',
      targetFor: (n) => {
        const found = this.#tell(this.#running.poll())
        if (!found) return undefined
        return 'reason' in found ? null : targetOf(found, n, this.#team.threads)
      },
      compile: (program) => this.#pending(program),
    }
  }

  /** Whether code of ours runs, may come, or will not. Starts nothing. */
  get state(): NativeState {
    const found = this.#service?.poll()
    if (this.#waiting === 0 && this.#loaded) return 'ready'
    if (this.#waiting === 0 && this.#hasFailed) return 'none'
    return found && 'reason' in found && !this.#service?.isStopped ? 'none' : 'pending'
  }

  /** Ends the compiler, for all who share it; whoever wants code of it starts it again. */
  async close(): Promise<void> {
    await this.#service?.stop()
  }

  /** A new one where somebody has stopped the last. */
  get #running(): NativeService {
    if (!this.#service || this.#service.isStopped) this.#service = sharedNativeService()
    return this.#service
  }

  #required(): ToolchainInfo {
    const found = this.#running.wait()
    if ('reason' in found)
      throw new LenetError(`device 'native' cannot be had: ${found.reason}; use device 'auto' or 'wasm'`)
    if (found.refused !== undefined)
      throw new LenetError(
        `device 'native' cannot be had: ${found.refused}; set CC to a compiler that works, or not at all`,
      )
    this.#tell(found)
    return found
  }

  /** Once: what the user should know. */
  #tell(found: ToolchainInfo | NoToolchain | undefined): typeof found {
    if (!found || this.#told) return found
    this.#told = true
    if ('reason' in found) this.#notice(`no native code: ${found.reason}; ${this.#meanwhile} goes on`)
    else found.notices.forEach((line) => this.#notice(line))
    return found
  }

  #build(program: Program): NativeBuild {
    new Set(program.kernels).forEach(verify)
    const { kernels, step } = renderC(program)
    return this.#running.build([kernels, step])
  }

  #pending(program: Program): Pending {
    let build = this.#build(program)
    let service = this.#service
    this.#waiting++
    const poll = (): Executable | null | undefined => {
      if (service?.isStopped) {
        build = this.#build(program)
        service = this.#service
      }
      const built = build.poll()
      if (!built) return undefined
      this.#waiting--
      const found = this.#load(built, program)
      if (!('error' in found)) return found
      this.#hasFailed = true
      this.#notice(`${found.error}; ${this.#meanwhile} goes on`)
      return null
    }
    return { poll }
  }

  #load(built: Built | BuildFailure, program: Program): Executable | BuildFailure {
    if ('error' in built) return built
    const caller = callerPath()
    const [kernels = [], [step] = []] = built.parts
    const functions = loadFunctions(kernels, caller)
    if ('error' in functions) return functions
    if (!step) return { error: 'compiled kernels have no step' }
    const table = packProgram(
      program,
      distinct(program.kernels).calls.map((kernel) => functions[kernel] ?? 0n),
    )
    const library = loadLibrary(step, table, this.#memory.memory, caller, this.#team.look)
    if ('error' in library) return library
    this.#loaded = true
    const { run, drop } = this.#team.add(program, { kind: 'native', step, program: table, caller }, library.step)
    return {
      run,
      drop: () => {
        drop()
        library.close()
      },
      bytes: library.bytes,
      runKernel: (index, table) => library.kernel(table, index),
    }
  }
}
