/**
 * The barrier at which members of a team, or of a squad, meet in WebAssembly: they look for a while, then sleep.
 * How it lies in memory is told in loop/team.ts. Not here: who meets when (team.ts).
 */
import { barrier as layout, lineBytes, teamBlock } from '../../loop/team.js'
import * as w from './encode.js'
import { Code, I32, type Bytes } from './encode.js'

/** A sleeping member looks around after so long, in case whoever was to wake it is gone. */
const sleepNanoseconds = 100e6

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
