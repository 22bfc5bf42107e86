/**
 * The step of a team in WebAssembly: each member's share of every kernel in order; loop/team.ts is the definition.
 * Not here: whose share that is (shares.ts), the kernels, the barrier (barrier.ts), who calls a step (device).
 */
import {
  granuleOf,
  joinsBefore,
  lineBytes,
  partsOf,
  phasesOf,
  piecesOf,
  teamBlock,
  unitCount,
  type Phase,
} from '../../loop/team.js'
import type { Program, Units } from '../../loop/ir.js'
import * as w from './encode.js'
import { I32, type Bytes } from './encode.js'
import {
  BEGIN,
  FREE,
  GRANULES,
  NTH,
  OWN,
  OWNER,
  PIECE,
  RANK,
  Shares,
  SIZE,
  SQUAD,
  SQUADS,
  TABLE,
  TEAM,
  TID,
  WAY,
} from './shares.js'

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

/** The granule and units to be done. */
const [G, LO, HI] = [FREE, FREE + 1, FREE + 2]
const parameters = 4

class Step extends Shares {
  readonly #program: Program
  readonly #granule: number
  readonly #first: number

  constructor(program: Program, first: number, barrier: number | null) {
    super(barrier)
    this.#program = program
    this.#first = first
    this.#granule = granuleOf(program.kernels)
  }

  phase(phase: Phase): void {
    const code = this.code
    const pieces = phase.counted.reduce((sum, kernel) => sum + piecesOf(this.#unitsOf(kernel)), 0)
    const granules = phase.byPicture.length > 0 ? this.#granule : null
    this.ifTeam(() => this.newLists())
    code.get(TID)
    code.set(OWNER)
    code.i32Const(0)
    code.set(WAY)
    this.granulesOf(granules, SQUAD, SQUADS)
    code.i32Const(0)
    code.set(OWN)
    this.ifSeveral(SIZE, () => {
      code.get(GRANULES)
      code.set(OWN)
    })
    code.block(w.LOOP, () => {
      this.#pieces(phase, pieces)
      this.ifTeam(() => {
        this.nextOwner(granules)
        code.get(WAY)
        code.get(NTH)
        code.op(w.i32.ltU)
        code.branchIf(1)
      })
    })
  }

  /** Does pieces of OWNER's share one by one, as long as there are any: its granules, then so many of counted kernels. */
  #pieces(phase: Phase, counted: number): void {
    const code = this.code
    code.i32Const(-1)
    code.set(PIECE)
    code.block(w.LOOP, () => {
      code.get(PIECE)
      code.i32Const(1)
      code.op(w.i32.add)
      code.set(PIECE)
      this.ifTeam(() => this.take(counted))
      this.isBefore(PIECE, counted)
      code.block(w.IF, () => {
        this.#piece(phase)
        code.branch(1)
      })
    })
  }

  #piece({ byPicture, counted }: Phase): void {
    const code = this.code
    if (byPicture.length > 0) {
      this.isBefore(PIECE, 0)
      code.block(w.IF, () => {
        code.get(BEGIN)
        code.get(PIECE)
        code.op(w.i32.add)
        code.set(G)
        byPicture.forEach((kernel, i) => {
          if (i > 0 && joinsBefore(this.#program, kernel)) this.#join()
          this.#byPicture(kernel)
        })
      })
    }
    let before = 0
    for (const kernel of counted) {
      this.#counted(kernel, before)
      before += piecesOf(this.#unitsOf(kernel))
    }
  }

  #unitsOf(kernel: number): Units {
    return this.#program.kernels[kernel]?.units ?? { count: 0 }
  }

  /** A counted kernel, where PIECE is one of its own: they begin so many behind the granules. */
  #counted(kernel: number, before: number): void {
    const code = this.code
    const units = this.#unitsOf(kernel)
    const pieces = piecesOf(units)
    code.get(PIECE)
    code.get(GRANULES)
    code.op(w.i32.sub)
    code.i32Const(before)
    code.op(w.i32.sub)
    code.tee(G)
    code.i32Const(pieces)
    code.op(w.i32.ltU)
    code.block(w.IF, () => {
      for (const [to, next] of [[LO, 0] as const, [HI, 1] as const]) {
        // in 64 bits: a large net has many units
        code.get(OWNER)
        code.i32Const(pieces)
        code.op(w.i32.mul)
        code.get(G)
        code.op(w.i32.add)
        code.i32Const(next)
        code.op(w.i32.add)
        code.op(w.i64.extendU)
        code.i64Const(unitCount(units, 0))
        code.op(w.i64.mul)
        code.get(NTH)
        code.i32Const(pieces)
        code.op(w.i32.mul)
        code.op(w.i64.extendU)
        code.op(w.i64.divU)
        code.op(w.i64.wrap)
        code.set(to)
      }
      this.#call(kernel)
    })
  }

  /** A kernel's units in granule G; the last may end before the granule does. Of these a squad's member has its part. */
  #byPicture(kernel: number): void {
    const code = this.code
    const units = this.#unitsOf(kernel)
    const [pictures, parts] = ['pictures' in units ? units.pictures : 1, partsOf(units).count]
    for (const [to, next] of [[LO, 0] as const, [HI, 1] as const]) {
      code.get(G)
      code.i32Const(next)
      code.op(w.i32.add)
      code.i32Const(this.#granule / pictures)
      code.op(w.i32.mul)
      code.set(to)
      this.countBlocks(pictures)
      code.get(to)
      this.countBlocks(pictures)
      code.get(to)
      code.op(w.i32.ltU)
      code.op(w.SELECT)
      if (parts > 1) {
        code.i32Const(parts)
        code.op(w.i32.mul)
      }
      code.set(to)
    }
    this.ifSeveral(SIZE, () => this.#ranksPart())
    this.#call(kernel)
  }

  /** HI first, which is made of LO. */
  #ranksPart(): void {
    const code = this.code
    code.get(HI)
    code.get(LO)
    code.op(w.i32.sub)
    code.set(HI)
    const begin = (next: number): void => {
      code.get(LO)
      code.get(HI)
      code.get(RANK)
      code.i32Const(next)
      code.op(w.i32.add)
      code.op(w.i32.mul)
      code.get(SIZE)
      code.op(w.i32.divU)
      code.op(w.i32.add)
    }
    begin(0)
    begin(1)
    code.set(HI)
    code.set(LO)
  }

  #call(kernel: number): void {
    const code = this.code
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
    this.#meet(TID, NTH, () => {
      const code = this.code
      code.get(TEAM)
      code.i32Const(teamBlock.barriers)
      code.op(w.i32.add)
    })
  }

  /** That of the squad: behind the team's, and those of squads before it. */
  #join(): void {
    this.#meet(RANK, SIZE, () => {
      const code = this.code
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

  #meet(rank: number, size: number, address: () => void): void {
    if (this.barrier === null) return
    const code = this.code
    this.ifSeveral(size, () => {
      code.get(TEAM)
      address()
      code.get(rank)
      code.get(size)
      code.call(this.barrier ?? 0)
      code.block(w.IF, () => {
        code.i32Const(1)
        code.op(w.RETURN)
      })
    })
  }

  end(): Bytes {
    this.code.i32Const(0)
    this.code.op(w.END)
    return [1, FREE + 3 - parameters, I32, ...this.code.bytes]
  }
}
