/**
 * The team: this thread and workers that run the same step on the same memory (SPMD), each its share. Workers are started
 * once and begin by themselves, without this thread's event loop; until they have started, steps run on this thread alone,
 * with the same bits. A waiting member looks for a while, then sleeps.
 * Not here: what a step is (compiler/render), the threads themselves (platform.node.ts, worker.node.ts).
 */
import { startMember, type Member } from '#device-platform'
import { LenetError, messageOf } from '../base/index.js'
import { granuleOf, teamBlock, unitCount, type Program } from '../compiler/index.js'
import type { DeviceMemory, LinearMemory } from './memory.js'

/** A member's part of a step; 1 when another member failed. */
export type Step = (table: number, tid: number, nth: number, team: number) => number

/** Code that every member can load. */
export type Code =
  | { readonly kind: 'wasm'; readonly module: object } // a WebAssembly.Module
  | { readonly kind: 'native'; readonly path: string }

/** What a worker is told. */
export interface Load {
  readonly id: number
  readonly code: Code
}

/** The i32 words behind the team's block in memory, by which steps are called: all are written before `calls` goes up. */
export const command = { calls: 16, code: 17, table: 18, members: 19, started: 20, sleeping: 21, words: 24 } as const

/** Looks at the barrier before a member sleeps: some ten microseconds. */
const barrierLooks = 4000

/** What a worker begins with. */
export interface MemberData {
  readonly memory: LinearMemory
  readonly team: number // the block's address
  readonly tid: number
}

/** About as many multiply-adds as take as long as calling the team and two barriers, several times over. */
const smallWork = 500_000

/** Whether what members can share of a run of the program for n pictures is over before a team has met. */
function isSmall({ kernels }: Program, n: number): boolean {
  const cuts = n > granuleOf(kernels)
  let work = 0
  for (const kernel of kernels) {
    if ('pictures' in kernel.units && !cuts) continue
    work += Math.max(kernel.flops(n) / 2, 16 * unitCount(kernel.units, n))
  }
  return work < smallWork
}

export class Team {
  #threads: number
  readonly #memory: DeviceMemory
  readonly #address: number
  /** The block's words; good as long as the memory is shared, and there is no team else. */
  readonly #words: Int32Array
  readonly #loads: Load[] = []
  /** Started with the first step that is worth it. */
  #members: Member[] | null = null

  constructor(memory: DeviceMemory, threads: number) {
    this.#memory = memory
    this.#threads = memory.shared ? threads : 1
    this.#address = memory.alloc(4 * command.words)
    this.#words = memory.i32(this.#address, command.words)
    this.#words.fill(0)
    this.#words[teamBlock.spins / 4] = barrierLooks
  }

  /** Members, this thread counted: how many there will be once all have started. */
  get threads(): number {
    return this.#threads
  }

  /**
   * Makes the code of a program known to all; `step` is this thread's own way into it.
   * @returns what runs it by its address table: by the whole team, or by this thread alone where the work is small
   */
  add(program: Program, code: Code, step: Step): (table: number) => void {
    const load: Load = { id: this.#loads.length, code }
    this.#loads.push(load)
    for (const member of this.#members ?? []) member.post(load)
    // most runs are for as many pictures as the last one
    let [pictures, alone] = [-1, true]
    return (table) => {
      const n = this.#memory.ints[table / 4] ?? 0
      if (n !== pictures) [pictures, alone] = [n, isSmall(program, n)]
      if (alone || this.#threads === 1 || !this.#start()) step(table, 0, 1, this.#address)
      else this.#call(load.id, step, table)
    }
  }

  #call(code: number, step: Step, table: number): void {
    const words = this.#words
    words[command.code] = code
    words[command.table] = table
    words[command.members] = this.#threads
    Atomics.add(words, command.calls, 1)
    if (Atomics.load(words, command.sleeping) > 0) Atomics.notify(words, command.calls)
    if (this.#share(step, table) !== 0) this.#fail()
  }

  /** This thread's part. Where it fails the others, who may be waiting for it, are told. */
  #share(step: Step, table: number): number {
    try {
      return step(table, 0, this.#threads, this.#address)
    } catch (error) {
      const words = this.#words
      Atomics.store(words, teamBlock.failed / 4, 1)
      Atomics.add(words, teamBlock.passed / 4, 1)
      Atomics.notify(words, teamBlock.passed / 4)
      return this.#fail(error)
    }
  }

  /** Whether all workers are at work; the first call starts them. */
  #start(): boolean {
    const members = (this.#members ??= this.#startMembers())
    if (!members.every(({ isAlive }) => isAlive)) {
      this.stop()
      return false
    }
    this.#threads = members.length + 1
    return Atomics.load(this.#words, command.started) === members.length
  }

  #startMembers(): Member[] {
    const data = { memory: this.#memory.memory, team: this.#address }
    const tids = Array.from({ length: this.#threads - 1 }, (_, i) => i + 1)
    const members = tids.flatMap((tid) => startMember({ ...data, tid }) ?? [])
    for (const member of members) for (const load of this.#loads) member.post(load)
    return members
  }

  /** A step that one member could not finish has no result; the team is given up. `own`: this thread's error. */
  #fail(own?: unknown): never {
    const reasons = (this.#members ?? []).flatMap((member) => member.receive() ?? [])
    if (own !== undefined) reasons.unshift(messageOf(own))
    this.stop()
    throw new LenetError(
      `a ${own === undefined ? 'worker ' : ''}thread failed in the middle of a step: ${reasons.join('; ') || 'no reason is known'}`,
      { cause: own },
    )
  }

  /** Starts the workers and waits for them: for measurements and tests. */
  async ready(): Promise<void> {
    while (this.#threads > 1 && !this.#start()) await new Promise((resolve) => setTimeout(resolve, 1))
  }

  /** Ends the workers. Steps run on this thread alone from here on. */
  stop(): void {
    for (const member of this.#members ?? []) member.stop()
    this.#members = []
    this.#threads = 1
  }
}
