/**
 * The step of a team in WebAssembly: each member's share of every kernel in order; loop/team.ts is the definition.
 * Not here: the kernels, the barrier (barrier.ts), who calls a step (device).
 */
import {
  barrier as layout,
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
import { Code, I32, type Bytes } from './encode.js'

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
/** The batch; how many squads there are; this member's squad, its number there and how many they are. */
const [N, SQUADS, SQUAD, RANK, SIZE] = [4, 5, 6, 7, 8]
/**
 * Whose share is done, and in which way it was found; TURN: bytes of the word in which its pieces are counted; the first of
 * its granules, and how many; pieces that are this member's without counting; the piece; the granule and units to be done.
 */
const [OWNER, WAY, TURN, BEGIN, GRANULES, OWN, PIECE, G, LO, HI] = [9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
const localCount = 15

/** What a member does: see loop/team.ts. */
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
  }

  /** Each member is a squad of its own where the team's block does not say otherwise. */
  #place(): void {
    const code = this.#code
    code.get(NTH)
    code.set(SQUADS)
    this.#ifTeam(() => {
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

  /** A team needs memory that is shared. */
  #ifTeam(body: () => void): void {
    if (this.#barrier !== null) this.#ifSeveral(NTH, body)
  }

  phase(phase: Phase): void {
    const code = this.#code
    const pieces = phase.counted.reduce((sum, kernel) => sum + piecesOf(this.#unitsOf(kernel)), 0)
    const granules = phase.byPicture.length > 0 ? this.#granule : null
    this.#ifTeam(() => this.#newLists())
    code.get(TID)
    code.set(OWNER)
    code.i32Const(0)
    code.set(WAY)
    this.#granulesOf(granules, SQUAD, SQUADS)
    code.i32Const(0)
    code.set(OWN)
    this.#ifSeveral(SIZE, () => {
      code.get(GRANULES)
      code.set(OWN)
    })
    code.block(w.LOOP, () => {
      this.#pieces(phase, pieces)
      this.#ifTeam(() => {
        this.#nextOwner(granules)
        code.get(WAY)
        code.get(NTH)
        code.op(w.i32.ltU)
        code.branchIf(1)
      })
    })
  }

  /** In which words this phase's pieces are counted; the own one of the next phase is nobody's yet. */
  #newLists(): void {
    const code = this.#code
    code.get(TEAM)
    code.access(w.ATOMIC_LOAD, teamBlock.barriers + layout.passed)
    code.i32Const(1)
    code.op(w.i32.and)
    code.i32Const(4)
    code.op(w.i32.mul)
    code.set(TURN)
    this.#list(TID)
    code.i32Const(4)
    code.get(TURN)
    code.op(w.i32.sub)
    code.op(w.i32.add)
    code.i32Const(0)
    code.access(w.ATOMIC_STORE, teamBlock.barriers)
  }

  /** The line of a member's share, but for `teamBlock.barriers`. */
  #list(member: number): void {
    const code = this.#code
    code.get(TEAM)
    code.get(NTH)
    code.i32Const(2)
    code.op(w.i32.mul)
    code.get(member)
    code.op(w.i32.add)
    code.i32Const(lineBytes)
    code.op(w.i32.mul)
    code.op(w.i32.add)
  }

  /** BEGIN and GRANULES of share i of so many; granules of so many pictures, null: there is nothing by picture. */
  #granulesOf(granule: number | null, i: number, of: number): void {
    const code = this.#code
    const begin = (next: number): void => {
      this.#countBlocks(granule ?? 1)
      code.get(i)
      code.i32Const(next)
      code.op(w.i32.add)
      code.op(w.i32.mul)
      code.get(of)
      code.op(w.i32.divU)
    }
    if (granule === null) code.i32Const(0)
    else begin(0)
    code.set(BEGIN)
    if (granule === null) code.i32Const(0)
    else {
      begin(1)
      code.get(BEGIN)
      code.op(w.i32.sub)
    }
    code.set(GRANULES)
  }

  /** Who has done a share looks at those of others: member TID xor 1, 2, 4, …. WAY ≥ NTH: there is none left. */
  #nextOwner(granule: number | null): void {
    const code = this.#code
    code.block(w.LOOP, () => {
      code.get(WAY)
      code.i32Const(1)
      code.op(w.i32.shl)
      code.get(WAY)
      code.op(w.i32.eqz)
      code.op(w.i32.or)
      code.set(WAY)
      code.get(TID)
      code.get(WAY)
      code.op(w.i32.xor)
      code.set(OWNER)
      code.get(WAY)
      code.get(NTH)
      code.op(w.i32.ltU)
      code.get(OWNER)
      code.get(NTH)
      code.op(w.i32.ltU)
      code.op(w.i32.eqz)
      code.op(w.i32.and)
      code.branchIf(0)
    })
    this.#granulesOf(granule, OWNER, NTH)
    code.i32Const(0)
    code.set(OWN)
    // a squad's granules are nobody else's
    this.#ifSeveral(SIZE, () => {
      code.i32Const(0)
      code.set(GRANULES)
    })
  }

  /** Does pieces of OWNER's share one by one, as long as there are any: its granules, then so many of counted kernels. */
  #pieces(phase: Phase, counted: number): void {
    const code = this.#code
    code.i32Const(-1)
    code.set(PIECE)
    code.block(w.LOOP, () => {
      code.get(PIECE)
      code.i32Const(1)
      code.op(w.i32.add)
      code.set(PIECE)
      this.#ifTeam(() => this.#take(counted))
      this.#isBefore(PIECE, counted)
      code.block(w.IF, () => {
        this.#piece(phase)
        code.branch(1)
      })
    })
  }

  /** Whether a piece is one of GRANULES and so many more. */
  #isBefore(piece: number, more: number): void {
    const code = this.#code
    code.get(piece)
    code.get(GRANULES)
    code.i32Const(more)
    code.op(w.i32.add)
    code.op(w.i32.ltU)
  }

  /** PIECE is the next that nobody has taken, unless it is this member's anyway. */
  #take(counted: number): void {
    const code = this.#code
    const word = (): void => {
      this.#list(OWNER)
      code.get(TURN)
      code.op(w.i32.add)
    }
    code.get(PIECE)
    code.get(OWN)
    code.op(w.i32.ltU)
    code.op(w.i32.eqz)
    code.block(w.IF, () => {
      code.get(OWN)
      word()
      code.access(w.ATOMIC_LOAD, teamBlock.barriers)
      code.op(w.i32.add)
      code.set(PIECE)
      this.#isBefore(PIECE, counted)
      code.block(w.IF, () => {
        code.get(OWN)
        word()
        code.i32Const(1)
        code.access(w.ATOMIC_ADD, teamBlock.barriers)
        code.op(w.i32.add)
        code.set(PIECE)
      })
    })
  }

  #piece({ byPicture, counted }: Phase): void {
    const code = this.#code
    if (byPicture.length > 0) {
      this.#isBefore(PIECE, 0)
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

  /** ⌈n / pictures⌉ */
  #countBlocks(pictures: number): void {
    const code = this.#code
    code.get(N)
    code.i32Const(pictures - 1)
    code.op(w.i32.add)
    code.i32Const(Math.log2(pictures))
    code.op(w.i32.shrU)
  }

  /** A counted kernel, where PIECE is one of its own: they begin so many behind the granules. */
  #counted(kernel: number, before: number): void {
    const code = this.#code
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
      if (parts > 1) {
        code.i32Const(parts)
        code.op(w.i32.mul)
      }
      code.set(to)
    }
    this.#ifSeveral(SIZE, () => this.#ranksPart())
    this.#call(kernel)
  }

  /** HI first, which is made of LO. */
  #ranksPart(): void {
    const code = this.#code
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
    this.#meet(TID, NTH, () => {
      const code = this.#code
      code.get(TEAM)
      code.i32Const(teamBlock.barriers)
      code.op(w.i32.add)
    })
  }

  /** That of the squad: behind the team's, and those of squads before it. */
  #join(): void {
    this.#meet(RANK, SIZE, () => {
      const code = this.#code
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
    if (this.#barrier === null) return
    const code = this.#code
    this.#ifSeveral(size, () => {
      code.get(TEAM)
      address()
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
