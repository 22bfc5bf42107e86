/** Kernels for every scalar operation and every statement, at any width, with inputs that are awkward. */
import { aluTable, type AluOp } from '../../../src/base/index.js'
import {
  add,
  alu,
  batchSize,
  float,
  int,
  iota,
  loadByte,
  loadInt,
  loadSplat,
  loadVec,
  mul,
  splat,
  type Builder,
  type Expr,
  type LoopKernel,
  type Stmt,
  type Units,
  type Var,
} from '../../../src/compiler/index.js'
import { input, kernelOf, output, wordsOf } from '../../device/kernels.js'
import type { Job } from './harness.js'

const FLOATS = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  0.1,
  -7.3,
  1e-45,
  -1e-45,
  1.1754944e-38,
  -5e-39,
  1e-20,
  3.4028235e38,
  -3.4028235e38,
  Infinity,
  -Infinity,
  NaN,
  8388607.5,
  8388609,
  -4194304.5,
  2147483520,
  2147483648,
  -2147483648,
  -4e9,
  1 + 2 ** -12,
  -1 - 2 ** -11,
].map(Math.fround)
const INTS = [
  0, 1, -1, 2, -2, 3, 31, 32, 33, 255, -256, 65535, 65537, 0x7fffffff, -0x80000000, 0x55555555, 123456789, -987654321,
]
const VALUES = { float: FLOATS, ints: INTS, int: INTS, count: INTS } as const
const isSelect = (op: AluOp): boolean => op === 'fselect' || op === 'iselect'

export function kernelWith(lanes: number, write: (b: Builder, lo: Expr, hi: Expr) => void, units?: Units): LoopKernel {
  return { ...kernelOf(write, units), lanes }
}

/** All combinations of awkward arguments, one column an argument; as many rows as fill vectors. */
function columns(op: AluOp, lanes: number): number[][] {
  const { args } = aluTable[op]
  let rows: number[][] = [[]]
  args.forEach((kind, i) => {
    const values = isSelect(op) && i === 0 ? [0, -1] : VALUES[kind]
    rows = rows.flatMap((row) => values.map((value) => [...row, value]))
  })
  while (rows.length % lanes !== 0) rows.push(rows[0]!)
  return args.map((_, i) => rows.map((row) => row[i]!))
}

const typeOfKind = { float: 'f32v', ints: 'i32v', int: 'i32v' } as const

/** Every operation on vectors, and on i32 where it has a meaning there. */
export function aluJobs(lanes: number): Job[] {
  return (Object.keys(aluTable) as AluOp[]).flatMap((op) => {
    const { result } = aluTable[op]
    return result === 'int' ? [vectorJob(op, lanes), scalarJob(op, lanes)] : [vectorJob(op, lanes)]
  })
}

function packed(op: AluOp, data: readonly number[][]): Int32Array {
  const { args } = aluTable[op]
  return Int32Array.from(data.flatMap((column, i) => [...(args[i] === 'float' ? wordsOf(column) : column)]))
}

function vectorJob(op: AluOp, lanes: number): Job {
  const { args, result } = aluTable[op]
  const data = columns(op, lanes)
  const rows = data[0]!.length
  // A shift's count is one for all lanes: such rows are done one by one, and lane 0 is kept.
  const single = args.includes('count')
  const kernel = kernelWith(
    lanes,
    (b) => {
      b.for('i', 0, rows, single ? 1 : lanes, (i) => {
        const at = add(input, mul(i, 4))
        const values = args.map((kind, j): Expr => {
          return kind === 'count' ? loadInt(at, 4 * rows * j) : loadVec(at, 4 * rows * j, typeOfKind[kind])
        })
        b.store(single ? 'one' : 'vec', add(output, mul(i, 4)), 0, alu(op, ...values))
      })
    },
    { count: 1 },
  )
  const words = Int32Array.from([...packed(op, data), ...Array<number>(lanes).fill(0)])
  return { name: `${op} on vectors`, kernel, words, length: rows, floats: result === 'float' ? rows : 0 }
}

function scalarJob(op: AluOp, lanes: number): Job {
  const data = columns(op, lanes)
  const rows = data[0]!.length
  const kernel = kernelWith(
    lanes,
    (b) => {
      b.for('i', 0, rows, 1, (i) => {
        const at = add(input, mul(i, 4))
        const values = data.map((_, j) => loadInt(at, 4 * rows * j))
        b.store('i32', add(output, mul(i, 4)), 0, alu(op, ...values))
      })
    },
    { count: 1 },
  )
  return { name: `${op} on i32`, kernel, words: packed(op, data), length: rows }
}

/** 512 words 0x03020100 ^ 0x80…, …: every byte tells its place. */
const BYTES = new Int32Array(Uint8Array.from({ length: 2048 }, (_, i) => (i ^ 0x80) & 255).buffer)
/** NaNs, signalling ones too, whose bits moves must keep. */
const NANS = Int32Array.from(
  { length: 512 },
  (_, i) => [0x7fc00001, -0x400000 + 5, 0x7f800001, -0x7fffff][i % 4]! + 8 * i,
)

export function statementJobs(lanes: number): Job[] {
  const width = 4 * lanes
  const job: MakeJob = (name, write, words = BYTES, length = 512) => ({
    name,
    kernel: kernelWith(lanes, write),
    words,
    length,
  })
  return [
    job('loads', (b) => {
      b.store('vec', output, 0, loadVec(add(input, 1), 2, 'i32v'))
      b.store('i32', output, width, loadInt(input, 5))
      b.store('i32', output, width + 4, loadByte(input, 127))
      b.store('vec', output, 2 * width + 1, loadSplat(input, 9, 'i32v'))
      b.store('vec', output, 3 * width + 4, alu('fabs', loadSplat(input, 8)))
    }),
    job('stores', (b) => {
      b.store('one', output, 4, loadVec(input, 0, 'i32v'))
      b.store('one', output, 9, loadVec(input, 0))
      b.store('vec', add(output, width), 3, iota)
      b.store('vec', output, 3 * width, splat(int(-7)))
      b.store('i32', output, 5 * width + 1, int(-0x80000000))
      b.store('i32', output, 6 * width, batchSize)
    }),
    job('float constants', (b) =>
      [-0, 0, Infinity, -Infinity, 1e-45, 0.1, 3.4028235e38, 16777216, -1.5].forEach((value, i) =>
        b.store('one', output, 4 * i, float(value)),
      ),
    ),
    job('addresses wrap', (b) => {
      const at = b.let('at', add(input, 0x7fffff00))
      b.bump(at, 0x7fffff00)
      b.bump(at, 0x200)
      b.store('i32', output, 0, loadInt(at, 4))
      b.store('i32', add(add(output, -400), 404), 0, loadInt(add(add(at, -100), 100)))
    }),
    job(
      'moves keep the bits of NaNs',
      (b) => {
        const v = b.let('v', loadVec(input))
        b.store('vec', output, 0, v)
        b.store('vec', output, width, alu('fbits', v))
        b.store('vec', output, 2 * width, loadSplat(input, 8))
        const rows = b.transpose(Array.from({ length: lanes }, (_, i) => loadVec(input, i * width)))
        rows.forEach((row, i) => b.store('one', output, 3 * width + 4 * i, row))
      },
      NANS,
    ),
    ...loopJobs(job),
    ...transposeJobs(lanes, job),
    job('bytes4', (b) => {
      const at = Array.from({ length: lanes }, (_, i) => add(input, (i * 37) % 200))
      b.bytes4(at, 2).forEach((bytes, j) => b.store('vec', output, width * j, bytes))
    }),
    job('units come from n', (b, lo, hi) =>
      b.for('u', lo, hi, 1, (u) => b.store('i32', add(output, mul(u, 4)), 0, add(batchSize, u))),
    ),
  ]
}

type MakeJob = (
  name: string,
  write: (b: Builder, lo: Expr, hi: Expr) => void,
  words?: Int32Array,
  length?: number,
) => Job

function loopJobs(job: MakeJob): Job[] {
  const counts = job(
    'loop runs count times; not at all for 0 and less',
    (b) =>
      [0, 4, 8, 12].forEach((at) => {
        const sum = b.let('sum', int(0))
        b.loop(loadInt(input, at), () => b.bump(sum, 1))
        b.store('i32', output, at, sum)
      }),
    Int32Array.of(3, 0, -2, 1),
  )
  const bounds = job(
    'for reads its bound once',
    (b) => {
      const end = b.let('end', int(7))
      const sum = b.let('sum', int(0))
      b.for('i', loadInt(input), end, 3, (i) => {
        b.set(end.v, int(100))
        b.set(sum.v, add(mul(sum, 10), i))
      })
      b.for('j', 5, loadInt(input), 1, () => b.set(sum.v, int(-1)))
      b.for('k', -2, 2, 1, (k) => b.set(sum.v, add(sum, mul(k, k))))
      b.store('i32', output, 0, sum)
    },
    Int32Array.of(1),
  )
  const branches = job('if takes any number but 0 as true', (b) =>
    [loadInt(input), alu('ilt', loadInt(input), int(0)), alu('iand', loadByte(input, 1), int(2)), int(1)].forEach(
      (cond, i) =>
        b.if(
          cond,
          () => b.store('i32', output, 4 * i, int(1)),
          () => b.store('i32', output, 4 * i, int(2)),
        ),
    ),
  )
  return [counts, bounds, branches]
}

/** The transpose of rows that are loads, and of locals onto themselves. */
function transposeJobs(lanes: number, job: MakeJob): Job[] {
  const width = 4 * lanes
  const each = <T>(make: (i: number) => T): T[] => Array.from({ length: lanes }, (_, i) => make(i))
  const apart = job('transpose', (b) => {
    const rows = each((i) => loadVec(input, width * i, 'i32v'))
    b.transpose(rows).forEach((row, i) => b.store('vec', output, width * i, row))
  })
  const rows = each((i): Var => ({ id: i + 2, type: 'f32v', name: `row${i}` }))
  const from = rows.map((v): Expr => ({ k: 'var', v }))
  const body: Stmt[] = [
    ...rows.map((v, i): Stmt => ({ k: 'set', v, value: loadVec(input, width * i) })),
    { k: 'transpose', out: rows, from: from.toReversed() },
    ...from.map((value, i): Stmt => ({ k: 'store', mem: 'vec', at: output, offset: width * i, value })),
  ]
  return [apart, { ...apart, name: 'transpose onto its own inputs', kernel: { ...apart.kernel, body } }]
}
