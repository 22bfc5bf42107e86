/** Every scalar operation: interpreter and WebAssembly agree on awkward values, and the interpreter is aluTable. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aluTable, type AluOp } from '../../src/base/index.js'
import { add, alu, int, loadInt, loadVec, mul, type Expr } from '../../src/compiler/index.js'
import { agreed, floatsOf, input, kernelOf, output, programOf, wasm, wordsOf } from './kernels.js'

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
  3,
  -7.3,
  1e-45,
  -1e-45,
  1.1754944e-38,
  1.1754942e-38,
  -5e-39,
  1e-20,
  -3e-23,
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
  1e10,
].map(Math.fround)
const INTS = [
  0, 1, -1, 2, -2, 3, 31, 32, 33, 255, -256, 65535, 65537, 0x7fffffff, -0x80000000, 0x55555555, 123456789, -987654321,
]
const MASKS = [0, -1]
const VALUES = { float: FLOATS, ints: INTS, int: INTS, count: INTS } as const

/** Why an operation cannot agree on this engine. */
const unfused = (op: AluOp): string | false =>
  op === 'fma' && !wasm.fusedMultiplyAdd && 'this engine has no fused multiply-add'

const isSelect = (op: AluOp): boolean => op === 'fselect' || op === 'iselect'
const ops = Object.keys(aluTable) as AluOp[]

function valuesOf(op: AluOp, i: number): readonly number[] {
  if (isSelect(op) && i === 0) return MASKS
  return VALUES[aluTable[op].args[i]!]
}

/** All combinations of awkward arguments, as columns. */
function columns(op: AluOp): number[][] {
  let rows: number[][] = [[]]
  aluTable[op].args.forEach((_, i) => (rows = rows.flatMap((row) => valuesOf(op, i).map((value) => [...row, value]))))
  while (rows.length % 4 !== 0) rows.push(rows[0]!)
  return aluTable[op].args.map((_, i) => rows.map((row) => row[i]!))
}

/** The columns one after the other as words. */
function packed(op: AluOp, data: readonly number[][]): Int32Array {
  const { args } = aluTable[op]
  return Int32Array.from(data.flatMap((column, i) => [...(args[i] === 'float' ? wordsOf(column) : column)]))
}

function expected(op: AluOp, data: readonly number[][]): number[] {
  const { eval: evaluate } = aluTable[op]
  return data[0]!.map((a, row) => evaluate(a, data[1]?.[row] ?? 0, data[2]?.[row] ?? 0))
}

const typeOfKind = { float: 'f32v', ints: 'i32v', int: 'i32v' } as const

for (const op of ops) {
  const { args, result } = aluTable[op]
  const floats = result === 'float'

  test(`${op} on vectors: WebAssembly, interpreter and table agree`, { skip: unfused(op) }, () => {
    const data = columns(op)
    const rows = data[0]!.length
    // A shift's count is one for all lanes: such rows are done one by one, and lane 0 is kept.
    const single = args.includes('count')
    const kernel = kernelOf((b) => {
      b.for('i', 0, rows, single ? 1 : 4, (i) => {
        const at = add(input, mul(i, 4))
        const values = args.map((kind, j): Expr => {
          return kind === 'count' ? loadInt(at, 4 * rows * j) : loadVec(at, 4 * rows * j, typeOfKind[kind])
        })
        b.store(single ? 'one' : 'vec', add(output, mul(i, 4)), 0, alu(op, ...values))
      })
    })
    const words = Int32Array.from([...packed(op, data), 0, 0, 0])
    const out = agreed(programOf(kernel), words, rows, floats)
    assert.deepEqual(floats ? floatsOf(out) : Array.from(out), expected(op, data))
  })
}

for (const op of ops.filter((name) => aluTable[name].result === 'int')) {
  test(`${op} on i32: WebAssembly, interpreter and table agree`, () => {
    const data = columns(op)
    const rows = data[0]!.length
    const kernel = kernelOf((b) => {
      b.for('i', 0, rows, 1, (i) => {
        const at = add(input, mul(i, 4))
        const values = data.map((_, j) => loadInt(at, 4 * rows * j))
        b.store('i32', add(output, mul(i, 4)), 0, alu(op, ...values))
      })
    })
    const out = agreed(programOf(kernel), packed(op, data), rows)
    assert.deepEqual(Array.from(out), expected(op, data))
  })
}

test('rounding, saturation and signs are as documented', () => {
  const run = (op: AluOp, a: number, b = 0, c = 0): number => aluTable[op].eval(a, b, c)
  assert.deepEqual(
    [0.5, 1.5, 2.5, -0.5, -1.5].map((x) => run('fnearest', x)),
    [0, 2, 2, -0, -2],
  )
  assert.deepEqual(
    [NaN, 3e9, -3e9, -1.9].map((x) => run('ftoi', x)),
    [0, 2147483647, -2147483648, -1],
  )
  assert.deepEqual([run('pmax', NaN, 1), run('pmax', 1, NaN), run('pmin', NaN, 1)], [NaN, 1, NaN])
  assert.equal(run('fma', 1 + 2 ** -12, 1 + 2 ** -12, -1 - 2 ** -11), 2 ** -24)
  assert.equal(run('ishl', 1, 33), 2)
  assert.equal(run('fbits', -0), -0x80000000)
  assert.equal(alu('ishr', loadVec(input, 0, 'i32v'), int(3)).k, 'alu')
})
