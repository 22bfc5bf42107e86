/**
 * The step of a team in WebAssembly: each member's share of every kernel in order (loop/team.ts is the definition), and
 * the barrier at which members meet: they look for a while, then sleep.
 * Not here: the kernels; who calls a step (device).
 */
import { granuleOf, phasesOf, teamBlock, unitCount, type Phase } from '../../loop/team.js'
import type { Program, Units } from '../../loop/ir.js'
import * as w from './encode.js'
import { Code, I32, type Bytes } from './encode.js'

/** A sleeping member looks around after so long, in case whoever was to wake it is gone. */
const sleepNanoseconds = 100e6

/**
 * (table, tid, nth, team) → 0, or 1 when a member failed. Kernels' functions begin at number `first`; `barrier` is the barrier's,
 * if the memory is shared.
 */
export function stepCode(program: Program, first: number, barrier: number | null): Bytes {
  const step = new Step(program, first, barrier)
  phasesOf(program).forEach((phase, i) => {
    if (i > 0) step.meet()
    step.phase(phase)
  })
  step.meet()
  return step.end()
}

const [TABLE, TID, NTH, TEAM] = [0, 1, 2, 3]
/** The batch, this member's share of its granules, and what is done of it. */
const [N, FIRST, LAST, G, LO, HI] = [4, 5, 6, 7, 8, 9]
const localCount = 6

class Step {
  readonly #code = new Code()
  readonly #program: Program
  readonly #granule: number
  readonly #first: number
  readonly #barrier: number | null

  constructor(program: Program, first: number, barrier: number | null) {
    this.#program = program
    this.#first = first
    this.#granule = granuleOf(program.kernels)
    this.#barrier = barrier
    const code = this.#code
    code.get(TABLE)
    code.access(w.I32_LOAD, 0)
    code.set(N)
    this.#share(() => this.#countUnits(this.#granule), FIRST, LAST)
  }

  phase({ byPicture, counted }: Phase): void {
    const code = this.#code
    if (byPicture.length > 0) this.#forGranules(() => byPicture.forEach((kernel) => this.#byPicture(kernel)))
    for (const kernel of counted) {
      this.#share(() => code.i32Const(unitCount(this.#unitsOf(kernel), 0)), LO, HI)
      this.#call(kernel)
    }
  }

  #unitsOf(kernel: number): Units {
    return this.#program.kernels[kernel]?.units ?? { count: 0 }
  }

  #forGranules(body: () => void): void {
    const code = this.#code
    code.get(FIRST)
    code.set(G)
    code.block(w.LOOP, () => {
      code.get(G)
      code.get(LAST)
      code.op(w.i32.ltU)
      code.block(w.IF, () => {
        body()
        code.get(G)
        code.i32Const(1)
        code.op(w.i32.add)
        code.set(G)
        code.branch(1)
      })
    })
  }

  /** ⌈n / pictures⌉ */
  #countUnits(pictures: number): void {
    const code = this.#code
    code.get(N)
    code.i32Const(pictures - 1)
    code.op(w.i32.add)
    code.i32Const(Math.log2(pictures))
    code.op(w.i32.shrU)
  }

  /** whole · tid / nth and whole · (tid + 1) / nth */
  #share(whole: () => void, first: number, last: number): void {
    const code = this.#code
    for (const [local, next] of [[first, 0] as const, [last, 1] as const]) {
      whole()
      code.get(TID)
      code.i32Const(next)
      code.op(w.i32.add)
      code.op(w.i32.mul)
      code.get(NTH)
      code.op(w.i32.divU)
      code.set(local)
    }
  }

  /** A kernel's units in granule G; the last may end before the granule does. */
  #byPicture(kernel: number): void {
    const code = this.#code
    const units = this.#unitsOf(kernel)
    const pictures = 'pictures' in units ? units.pictures : 1
    for (const [to, next] of [[LO, 0] as const, [HI, 1] as const]) {
      code.get(G)
      code.i32Const(next)
      code.op(w.i32.add)
      code.i32Const(this.#granule / pictures)
      code.op(w.i32.mul)
      code.set(to)
      this.#countUnits(pictures)
      code.get(to)
      this.#countUnits(pictures)
      code.get(to)
      code.op(w.i32.ltU)
      code.op(w.SELECT)
      code.set(to)
    }
    this.#call(kernel)
  }

  #call(kernel: number): void {
    const code = this.#code
    code.get(LO)
    code.get(HI)
    code.op(w.i32.ltU)
    code.block(w.IF, () => {
      for (const local of [TABLE, LO, HI]) code.get(local)
      code.call(this.#first + kernel)
    })
  }

  meet(): void {
    if (this.#barrier === null) return
    const code = this.#code
    code.get(NTH)
    code.i32Const(1)
    code.op(w.i32.gtS)
    code.block(w.IF, () => {
      code.get(TEAM)
      code.get(NTH)
      code.call(this.#barrier ?? 0)
      code.block(w.IF, () => {
        code.i32Const(1)
        code.op(w.RETURN)
      })
    })
  }

  end(): Bytes {
    this.#code.i32Const(0)
    this.#code.op(w.END)
    return [1, localCount, I32, ...this.#code.bytes]
  }
}

/** (team, nth) → whether a member failed. Locals: 2 how often the barrier was passed before, 3 looks left. */
export function barrierCode(): Bytes {
  const code = new Code()
  const [team, nth, passed, looks] = [0, 1, 2, 3]
  const load = (offset: number): void => {
    code.get(team)
    code.access(w.ATOMIC_LOAD, offset)
  }
  const isPassed = (): void => {
    load(teamBlock.passed)
    code.get(passed)
    code.op(w.i32.ne)
    load(teamBlock.failed)
    code.op(w.i32.or)
  }
  load(teamBlock.passed)
  code.set(passed)
  code.get(team)
  code.i32Const(1)
  code.access(w.ATOMIC_ADD, teamBlock.arrived)
  code.i32Const(1)
  code.op(w.i32.add)
  code.get(nth)
  code.op(w.i32.eq)
  code.block(w.IF, () => {
    lastArrived(code, team)
    code.op(w.ELSE)
    load(teamBlock.spins)
    code.set(looks)
    code.block(w.LOOP, () => {
      isPassed()
      code.op(w.i32.eqz)
      code.block(w.IF, () => {
        lookOrSleep(code, team, passed, looks)
        code.branch(1)
      })
    })
  })
  load(teamBlock.failed)
  code.op(w.END)
  return [1, 2, I32, ...code.bytes]
}

function lastArrived(code: Code, team: number): void {
  code.get(team)
  code.i32Const(0)
  code.access(w.ATOMIC_STORE, teamBlock.arrived)
  code.get(team)
  code.i32Const(1)
  code.access(w.ATOMIC_ADD, teamBlock.passed)
  code.op(w.DROP)
  code.get(team)
  code.access(w.ATOMIC_LOAD, teamBlock.sleeping)
  code.block(w.IF, () => {
    code.get(team)
    code.i32Const(-1)
    code.access(w.NOTIFY, teamBlock.passed)
    code.op(w.DROP)
  })
}

function lookOrSleep(code: Code, team: number, passed: number, looks: number): void {
  code.get(looks)
  code.block(w.IF, () => {
    code.get(looks)
    code.i32Const(1)
    code.op(w.i32.sub)
    code.set(looks)
    code.op(w.ELSE)
    const sleepers = (change: number): void => {
      code.get(team)
      code.i32Const(change)
      code.access(w.ATOMIC_ADD, teamBlock.sleeping)
      code.op(w.DROP)
    }
    sleepers(1)
    code.get(team)
    code.get(passed)
    code.i64Const(sleepNanoseconds)
    code.access(w.WAIT32, teamBlock.passed)
    sleepers(-1)
    lookAround(code, team)
  })
}

/** The outcome of a wait is on the stack. Where nobody came and a member is gone, all are told. */
function lookAround(code: Code, team: number): void {
  const timedOut = 2
  const look = 0
  code.i32Const(timedOut)
  code.op(w.i32.eq)
  code.block(w.IF, () => {
    code.call(look)
    code.block(w.IF, () => {
      code.get(team)
      code.i32Const(1)
      code.access(w.ATOMIC_STORE, teamBlock.failed)
    })
  })
}
