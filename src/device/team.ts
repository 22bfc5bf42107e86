/**
 * The team: this thread and workers that run the same step on the same memory (SPMD), each its share. Workers are started
 * when first wanted and begin by themselves, without this thread's event loop; until they have started, steps run on this
 * thread alone, with the same bits. A waiting member looks for a while, then sleeps.
 * Not here: what a step is (compiler/render), the threads themselves (crew.node.ts, member.node.ts).
 */
import { coreCount, joinCrew, warn, type Crew } from '#device-platform'
import { LenetError, messageOf } from '../base/index.js'
import { granuleOf, partsOf, squadsOf, teamBlock, teamBytes, unitCount, type Program } from '../compiler/index.js'
import type { Executable } from './device.js'
import type { DeviceMemory } from './memory.js'
import { Pace } from './pace.js'
import { command, tellFailure, type Code, type Mail, type Step } from './protocol.js'

/** Looks at the barrier before a member sleeps: some ten microseconds; few where others wait for its core. */
const [barrierLooks, fewLooks] = [4000, 20]

/** About as many multiply-adds as take as long as calling the team and two barriers, several times over. */
const smallWork = 500_000

/** Whether what members can share of a run of the program for n pictures is over before a team has met. */
function isSmall({ kernels }: Program, n: number): boolean {
  const cuts = n > granuleOf(kernels)
  let work = 0
  for (const kernel of kernels) {
    if ('pictures' in kernel.units && !cuts && partsOf(kernel.units).count === 1) continue
    work += Math.max(kernel.flops(n) / 2, 16 * unitCount(kernel.units, n))
  }
  return work < smallWork
}

/** Runs of a program for n pictures by a team of so many. */
interface Runs {
  readonly n: number
  readonly threads: number
  readonly isSmall: boolean
  readonly squads: number
  readonly pace: Pace
}

function runsOf(program: Program, n: number, threads: number): Runs {
  const squads = squadsOf(program.kernels, n, threads)
  return { n, threads, isSmall: isSmall(program, n), squads, pace: new Pace(threads, coreCount()) }
}

export class Team {
  #threads: number
  readonly #memory: DeviceMemory
  readonly #notice: (line: string) => void
  /** Of the team's block, by which members meet. */
  readonly #address: number
  readonly #codes = new Map<number, Code>()
  #lastCode = -1
  /** Joined with the first step that is worth it. */
  #crew: Crew | null = null
  #started = false

  /** @param notice is given lines for the user: why there are fewer threads */
  constructor(memory: DeviceMemory, threads: number, notice: (line: string) => void) {
    this.#memory = memory
    this.#notice = notice
    this.#threads = memory.shared ? threads : 1
    this.#address = memory.alloc(teamBytes(this.#threads))
    this.#block.fill(0)
    this.#block[teamBlock.spins / 4] = this.#threads > coreCount() ? fewLooks : barrierLooks
  }

  get #block(): Int32Array {
    return this.#memory.i32(this.#address, teamBytes(this.#threads) / 4)
  }

  /** Whether a member is gone, who will not come to a barrier: 1. Asked in the middle of a step. */
  readonly look = (): number => Number(this.#crew?.hasLost() ?? false)

  /** Members, this thread counted: how many there will be once all have started. */
  get threads(): number {
    return this.#threads
  }

  /**
   * Makes the code of a program known to all; `step` is this thread's own way into it.
   * @returns what runs it by its address table (by the whole team, or by this thread alone where the work is small), and what
   *   makes all forget it
   */
  add(program: Program, code: Code, step: Step): Pick<Executable, 'run' | 'drop'> {
    const id = ++this.#lastCode
    this.#codes.set(id, code)
    if (this.#crew) this.#crew.post({ kind: 'load', site: this.#crew.site, id, code })
    // most runs are for as many pictures as the last one
    let runs = runsOf(program, 0, 1)
    const run = (table: number): void => {
      const n = this.#memory.ints[table / 4] ?? 0
      if (n !== runs.n) runs = runsOf(program, n, this.#threads)
      const crew = runs.isSmall || this.#threads === 1 ? null : this.#atWork()
      if (!crew) return void step(table, 0, 1, this.#address)
      if (runs.threads !== this.#threads) runs = runsOf(program, n, this.#threads)
      const from = performance.now()
      if (runs.pace.isAlone) step(table, 0, 1, this.#address)
      else this.#call(crew, { code: id, squads: runs.squads, table }, step)
      runs.pace.ran(from, performance.now())
    }
    return { run, drop: () => this.#remove(id) }
  }

  #remove(id: number): void {
    this.#codes.delete(id)
    if (this.#crew) this.#crew.post({ kind: 'drop', site: this.#crew.site, id })
  }

  #call(
    crew: Crew,
    { code, squads, table }: { readonly code: number; readonly squads: number; readonly table: number },
    step: Step,
  ): void {
    const { words, site } = crew
    Atomics.store(this.#memory.ints, (this.#address + teamBlock.squads) / 4, squads)
    Atomics.add(words, command.calling, 1)
    Atomics.store(words, command.site, site)
    Atomics.store(words, command.code, code)
    Atomics.store(words, command.table, table)
    Atomics.store(words, command.members, this.#threads)
    Atomics.add(words, command.calls, 1)
    if (Atomics.load(words, command.sleeping) > 0) Atomics.notify(words, command.calls)
    if (this.#share(step, table) !== 0) this.#fail()
  }

  /** This thread's part. Where it fails the others, who may be waiting for it, are told. */
  #share(step: Step, table: number): number {
    try {
      return step(table, 0, this.#threads, this.#address)
    } catch (error) {
      tellFailure(this.#block)
      return this.#fail(error)
    }
  }

  /** The crew, if all its members are at work and know this team; the first call starts them. */
  #atWork(): Crew | null {
    if (!this.#crew || this.#crew.isClosed()) this.#join()
    const crew = this.#crew
    if (!crew || crew.size === 0) return null
    if (!crew.isWhole()) {
      warn('a worker thread has ended before its time: one thread computes', this.#notice)
      this.#giveUp()
      return null
    }
    for (let tid = crew.size; !this.#started && Atomics.load(crew.words, command.started + tid) === 1; tid--)
      this.#started = tid === 1
    if (!this.#started) return null
    crew.enter(() => this.#everything(crew.site))
    return crew
  }

  #join(): void {
    this.#crew = joinCrew(this.#threads - 1, (line) => warn(line, this.#notice))
    this.#threads = this.#crew.size + 1
    this.#started = false
  }

  #everything(site: number): Mail[] {
    const loads = [...this.#codes].map(([id, code]): Mail => ({ kind: 'load', site, id, code }))
    return [{ kind: 'join', site, memory: this.#memory.memory, team: this.#address }, ...loads]
  }

  /** A step that one member could not finish has no result; the team is given up. `own`: this thread's error. */
  #fail(own?: unknown): never {
    const reasons = this.#crew?.failures() ?? []
    if (own !== undefined) reasons.unshift(messageOf(own))
    else if (reasons.length === 0 && this.look() === 1)
      reasons.push('it has ended; the system may have no memory left for it')
    this.#giveUp()
    throw new LenetError(
      `a ${own === undefined ? 'worker ' : ''}thread failed in the middle of a step: ${reasons.join('; ') || 'no reason is known'}`,
      { cause: own },
    )
  }

  /** Steps run on this thread alone from here on. */
  #giveUp(): void {
    void this.stop()
    this.#threads = 1
  }

  /** Starts the workers and waits for them: for measurements and tests. */
  async ready(): Promise<void> {
    while (this.#threads > 1 && !this.#atWork()) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  /** Ends the workers, for all who share them; a step that wants some starts new ones. */
  async stop(): Promise<void> {
    const crew = this.#crew
    this.#crew = null
    await crew?.stop()
  }
}
