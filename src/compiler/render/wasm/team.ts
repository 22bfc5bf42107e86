/**
 * The step of a team in WebAssembly: each member's share of every kernel in order (loop/team.ts is the definition), and
 * the barrier at which members meet: they look for a while, then sleep.
 * Not here: the kernels; who calls a step (device).
 */
import {
  barrier as layout,
  granuleOf,
  joinsBefore,
  lineBytes,
  partsOf,
  phasesOf,
  teamBlock,
  unitCount,
  type Phase,
} from '../../loop/team.js'
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
/** The batch; this member's squad, its number there and how many they are; the squad's share of granules; what is done now. */
const [N, SQUADS, SQUAD, RANK, SIZE, FIRST, LAST, G, LO, HI] = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
const localCount = 10

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
    this.#place()
    this.#share(() => this.#countBlocks(this.#granule), SQUAD, SQUADS, FIRST, LAST)
  }

  /** Each member is a squad of its own where the team's block does not say otherwise. */
  #place(): void {
    const code = this.#code
    code.get(NTH)
    code.set(SQUADS)
    if (this.#barrier !== null)
      this.#ifSeveral(NTH, () => {
        code.get(TEAM)
        code.access(w.ATOMIC_LOAD, teamBlock.squads)
        code.set(SQUADS)
      })
    this.#quotient(NTH, SQUADS, SIZE)
    this.#quotient(TID, SIZE, SQUAD)
    code.get(TID)
    code.get(SQUAD)
    code.get(SIZE)
    code.op(w.i32.mul)
    code.op(w.i32.sub)
    code.set(RANK)
  }

  #quotient(whole: number, by: number, to: number): void {
    const code = this.#code
    code.get(whole)
    code.get(by)
    code.op(w.i32.divU)
    code.set(to)
  }

  #ifSeveral(members: number, body: () => void): void {
    const code = this.#code
    code.get(members)
    code.i32Const(1)
    code.op(w.i32.gtS)
    code.block(w.IF, body)
  }

  phase({ byPicture, counted }: Phase): void {
    const code = this.#code
    if (byPicture.length > 0)
      this.#forGranules(() =>
        byPicture.forEach((kernel, i) => {
          if (i > 0 && joinsBefore(this.#program, kernel)) this.#join()
          this.#byPicture(kernel)
        }),
      )
    for (const kernel of counted) {
      this.#share(() => code.i32Const(unitCount(this.#unitsOf(kernel), 0)), TID, NTH, LO, HI)
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
  #countBlocks(pictures: number): void {
    const code = this.#code
    code.get(N)
    code.i32Const(pictures - 1)
    code.op(w.i32.add)
    code.i32Const(Math.log2(pictures))
    code.op(w.i32.shrU)
  }

  /** whole · i / of and whole · (i + 1) / of */
  #share(whole: () => void, i: number, of: number, first: number, last: number): void {
    const code = this.#code
    for (const [local, next] of [[first, 0] as const, [last, 1] as const]) {
      whole()
      code.get(i)
      code.i32Const(next)
      code.op(w.i32.add)
      code.op(w.i32.mul)
      code.get(of)
      code.op(w.i32.divU)
      code.set(local)
    }
  }

  /** A kernel's units in granule G; the last may end before the granule does. Of these a squad's member has its part. */
  #byPicture(kernel: number): void {
    const code = this.#code
    const units = this.#unitsOf(kernel)
    const [pictures, parts] = ['pictures' in units ? units.pictures : 1, partsOf(units).count]
    for (const [to, next] of [[LO, 0] as const, [HI, 1] as const]) {
      code.get(G)
      code.i32Const(next)
      code.op(w.i32.add)
      code.i32Const(this.#granule / pictures)
      code.op(w.i32.mul)
      code.set(to)
      this.#countBlocks(pictures)
      code.get(to)
      this.#countBlocks(pictures)
      code.get(to)
      code.op(w.i32.ltU)
      code.op(w.SELECT)
      code.i32Const(parts)
      code.op(w.i32.mul)
      code.set(to)
    }
    this.#ifSeveral(SIZE, () => this.#ranksPart())
    this.#call(kernel)
  }

  /** LO + (HI − LO) · (RANK + 1) / SIZE first: LO is still needed. */
  #ranksPart(): void {
    const code = this.#code
    code.get(HI)
    code.get(LO)
    code.op(w.i32.sub)
    code.set(HI)
    for (const [to, next] of [[HI, 1] as const, [LO, 0] as const]) {
      code.get(LO)
      code.get(HI)
      code.get(RANK)
      code.i32Const(next)
      code.op(w.i32.add)
      code.op(w.i32.mul)
      code.get(SIZE)
      code.op(w.i32.divU)
      code.op(w.i32.add)
      code.set(to)
    }
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

  /** The team's barrier. */
  meet(): void {
    this.#meet(TID, NTH, (code) => {
      code.get(TEAM)
      code.i32Const(teamBlock.barriers)
      code.op(w.i32.add)
    })
  }

  /** That of the squad: behind the team's, and those of squads before it. */
  #join(): void {
    this.#meet(RANK, SIZE, (code) => {
      code.get(TEAM)
      code.i32Const(teamBlock.barriers)
      code.op(w.i32.add)
      code.get(NTH)
      code.get(TID)
      code.op(w.i32.add)
      code.get(RANK)
      code.op(w.i32.sub)
      code.i32Const(lineBytes)
      code.op(w.i32.mul)
      code.op(w.i32.add)
    })
  }

  #meet(rank: number, size: number, address: (code: Code) => void): void {
    if (this.#barrier === null) return
    const code = this.#code
    this.#ifSeveral(size, () => {
      code.get(TEAM)
      address(code)
      code.get(rank)
      code.get(size)
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

/** Parameters and locals of the barrier; LEFT: looks, or those who are still to come to a line of the tree. */
const [BLOCK, BARRIER, PLACE, WIDTH, PASSED, LINE, LEFT] = [0, 1, 2, 3, 4, 5, 6]

/** (team, barrier, rank, size) → whether a member failed. */
export function barrierCode(): Bytes {
  const code = new Code()
  load(code, BARRIER, layout.passed)
  code.set(PASSED)
  isLast(code)
  code.block(w.IF, () => {
    release(code)
    code.op(w.ELSE)
    load(code, BLOCK, teamBlock.spins)
    code.set(LEFT)
    code.block(w.LOOP, () => {
      load(code, BARRIER, layout.passed)
      code.get(PASSED)
      code.op(w.i32.eq)
      load(code, BLOCK, teamBlock.failed)
      code.op(w.i32.eqz)
      code.op(w.i32.and)
      code.block(w.IF, () => {
        lookOrSleep(code)
        code.branch(1)
      })
    })
  })
  load(code, BLOCK, teamBlock.failed)
  code.op(w.END)
  return [1, 3, I32, ...code.bytes]
}

function load(code: Code, base: number, offset: number): void {
  code.get(base)
  code.access(w.ATOMIC_LOAD, offset)
}

/** ⌊local / fan⌋, fan a power of two; `more`: of so many more. */
function byFan(code: Code, local: number, more = 0): void {
  code.get(local)
  code.i32Const(more)
  code.op(w.i32.add)
  code.i32Const(Math.log2(layout.fan))
  code.op(w.i32.shrU)
}

/** Leaves 1 where all others have come. Goes up the tree: PLACE of WIDTH who come to the lines from LINE on. */
function isLast(code: Code): void {
  code.get(BARRIER)
  code.i32Const(layout.tree)
  code.op(w.i32.add)
  code.set(LINE)
  code.block(w.LOOP, () => {
    comeTo(code)
    // the next level
    code.get(LINE)
    byFan(code, WIDTH, layout.fan - 1)
    code.tee(WIDTH)
    code.i32Const(lineBytes)
    code.op(w.i32.mul)
    code.op(w.i32.add)
    code.set(LINE)
    byFan(code, PLACE)
    code.set(PLACE)
    code.get(LEFT)
    code.op(w.i32.eqz)
    code.get(WIDTH)
    code.i32Const(1)
    code.op(w.i32.gtS)
    code.op(w.i32.and)
    code.branchIf(0)
  })
  code.get(LEFT)
  code.op(w.i32.eqz)
}

/** Counts at the own line; LEFT is who is still to come. The last one counts from the beginning again. */
function comeTo(code: Code): void {
  const line = (): void => {
    code.get(LINE)
    byFan(code, PLACE)
    code.i32Const(lineBytes)
    code.op(w.i32.mul)
    code.op(w.i32.add)
  }
  const most = (): void => {
    code.get(WIDTH)
    byFan(code, PLACE)
    code.i32Const(layout.fan)
    code.op(w.i32.mul)
    code.op(w.i32.sub)
  }
  const fan = (): void => code.i32Const(layout.fan)
  most()
  fan()
  most()
  fan()
  code.op(w.i32.ltU)
  code.op(w.SELECT)
  line()
  code.i32Const(1)
  code.access(w.ATOMIC_ADD, 0)
  code.op(w.i32.sub)
  code.i32Const(1)
  code.op(w.i32.sub)
  code.set(LEFT)
  code.get(LEFT)
  code.op(w.i32.eqz)
  code.block(w.IF, () => {
    line()
    code.i32Const(0)
    code.access(w.ATOMIC_STORE, 0)
  })
}

function release(code: Code): void {
  code.get(BARRIER)
  code.i32Const(1)
  code.access(w.ATOMIC_ADD, layout.passed)
  code.op(w.DROP)
  load(code, BARRIER, layout.sleeping)
  code.block(w.IF, () => {
    code.get(BARRIER)
    code.i32Const(-1)
    code.access(w.NOTIFY, layout.passed)
    code.op(w.DROP)
  })
}

function lookOrSleep(code: Code): void {
  code.get(LEFT)
  code.block(w.IF, () => {
    code.get(LEFT)
    code.i32Const(1)
    code.op(w.i32.sub)
    code.set(LEFT)
    code.op(w.ELSE)
    const sleepers = (change: number): void => {
      code.get(BARRIER)
      code.i32Const(change)
      code.access(w.ATOMIC_ADD, layout.sleeping)
      code.op(w.DROP)
    }
    sleepers(1)
    code.get(BARRIER)
    code.get(PASSED)
    code.i64Const(sleepNanoseconds)
    code.access(w.WAIT32, layout.passed)
    sleepers(-1)
    lookAround(code)
  })
}

/** The outcome of a wait is on the stack. Where nobody came and a member is gone, all are told. */
function lookAround(code: Code): void {
  const timedOut = 2
  const look = 0
  code.i32Const(timedOut)
  code.op(w.i32.eq)
  code.block(w.IF, () => {
    code.call(look)
    code.block(w.IF, () => {
      code.get(BLOCK)
      code.i32Const(1)
      code.access(w.ATOMIC_STORE, teamBlock.failed)
    })
  })
}
