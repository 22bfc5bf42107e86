/**
 * In WebAssembly: a member's place in its team, whose pieces it does and which is the next. loop/team.ts is the definition.
 * Not here: what is done of a piece (team.ts).
 */
import { barrier as layout, lineBytes, teamBlock } from '../../loop/team.js'
import * as w from './encode.js'
import { Code } from './encode.js'

/** Parameters and locals of the step. */
export const [TABLE, TID, NTH, TEAM] = [0, 1, 2, 3]
/** How many squads there are; this member's squad, its number there and how many they are. */
export const [SQUADS, SQUAD, RANK, SIZE] = [4, 5, 6, 7]
/**
 * Whose share is done, and in which way it was found; the first of its granules, and how many; pieces that are this member's
 * without counting; the piece.
 */
export const [OWNER, WAY, BEGIN, GRANULES, OWN, PIECE] = [8, 9, 10, 11, 12, 13]
/** The batch; bytes of the word in which an owner's pieces are counted. */
const [N, TURN] = [14, 15]
/** The first that is free. */
export const FREE = 16

/** Writes what the step of a program is made of, but for the work itself. */
export abstract class Shares {
  protected readonly code = new Code()
  protected readonly barrier: number | null

  /** @param barrier number of the barrier's function; null: the memory is not shared, and there is one member */
  constructor(barrier: number | null) {
    this.barrier = barrier
    const { code } = this
    code.get(TABLE)
    code.access(w.I32_LOAD, 0)
    code.set(N)
    this.#place()
  }

  /** Each member is a squad of its own where the team's block does not say otherwise. */
  #place(): void {
    const code = this.code
    code.get(NTH)
    code.set(SQUADS)
    this.ifTeam(() => {
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
    const code = this.code
    code.get(whole)
    code.get(by)
    code.op(w.i32.divU)
    code.set(to)
  }

  protected ifSeveral(members: number, body: () => void): void {
    const code = this.code
    code.get(members)
    code.i32Const(1)
    code.op(w.i32.gtS)
    code.block(w.IF, body)
  }

  /** A team needs memory that is shared. */
  protected ifTeam(body: () => void): void {
    if (this.barrier !== null) this.ifSeveral(NTH, body)
  }

  /** In which words this phase's pieces are counted; the own one of the next phase is nobody's yet. */
  protected newLists(): void {
    const code = this.code
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
    const code = this.code
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
  protected granulesOf(granule: number | null, i: number, of: number): void {
    const code = this.code
    const begin = (next: number): void => {
      this.countBlocks(granule ?? 1)
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
  protected nextOwner(granule: number | null): void {
    const code = this.code
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
    this.granulesOf(granule, OWNER, NTH)
    code.i32Const(0)
    code.set(OWN)
    // a squad's granules are nobody else's
    this.ifSeveral(SIZE, () => {
      code.i32Const(0)
      code.set(GRANULES)
    })
  }

  /** Whether a piece is one of GRANULES and so many more. */
  protected isBefore(piece: number, more: number): void {
    const code = this.code
    code.get(piece)
    code.get(GRANULES)
    code.i32Const(more)
    code.op(w.i32.add)
    code.op(w.i32.ltU)
  }

  /** PIECE is the next that nobody has taken, unless it is this member's anyway. */
  protected take(counted: number): void {
    const code = this.code
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
      this.isBefore(PIECE, counted)
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

  /** ⌈n / pictures⌉ */
  protected countBlocks(pictures: number): void {
    const code = this.code
    code.get(N)
    code.i32Const(pictures - 1)
    code.op(w.i32.add)
    code.i32Const(Math.log2(pictures))
    code.op(w.i32.shrU)
  }
}
