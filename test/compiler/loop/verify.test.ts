/** What the verifier refuses, each with the words that name it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addr,
  alu,
  float,
  int,
  iota,
  loadInt,
  loadVec,
  splat,
  verify,
  type Expr,
  type LoopKernel,
  type Stmt,
  type Type,
  type Var,
} from '../../../src/compiler/index.js'

const local = (id: number, type: Type, name = `x${id}`): Var => ({ id, type, name })
const lo = local(0, 'i32', 'lo')
const hi = local(1, 'i32', 'hi')
const use = (v: Var): Expr => ({ k: 'var', v })
const set = (v: Var, value: Expr): Stmt => ({ k: 'set', v, value })
const store = (value: Expr, offset = 0): Stmt => ({ k: 'store', mem: 'vec', at: addr(0), offset, value })

const kernel = (body: readonly Stmt[], more: Partial<LoopKernel> = {}): LoopKernel => ({
  name: 'sum',
  lanes: 4,
  buffers: ['both'],
  units: { pictures: 1 },
  lo,
  hi,
  body,
  flops: () => 0,
  ...more,
})

const f = local(2, 'f32v')
const i = local(3, 'i32')
const v = local(4, 'i32v')
const loop = (count: Expr, ...body: Stmt[]): Stmt => ({ k: 'loop', count, body })
const counted = (to: Expr, ...body: Stmt[]): Stmt => ({ k: 'for', v: i, from: int(0), to, step: 1, body })
const branch = (body: Stmt[], otherwise: Stmt[]): Stmt => ({ k: 'if', cond: use(lo), body, otherwise })
const raw = (op: 'fadd' | 'iadd' | 'flt', type: Type, ...args: Expr[]): Expr => ({ k: 'alu', op, type, args })
const four = (e: Expr): Expr[] => [e, e, e, e]
const rows = [5, 6, 7, 8].map((id) => local(id, 'f32v'))

const accepted: Record<string, readonly Stmt[]> = {
  'a set on both branches': [branch([set(f, float(1))], [set(f, float(2))]), store(use(f))],
  'a set in a loop that surely runs': [loop(int(2), set(f, float(1))), store(use(f))],
  'a set in a for that surely runs': [counted(int(2), set(f, float(1))), store(use(f))],
  'a counter inside its loop': [counted(use(hi), store(splat(use(i))))],
  'shifts of vectors by one count': [store(alu('ishl', iota, use(lo)))],
  'a transpose onto its inputs': [
    ...rows.map((row) => set(row, float(1))),
    { k: 'transpose', out: rows, from: rows.map(use) },
  ],
}

for (const [name, body] of Object.entries(accepted)) {
  test(`accepts ${name}`, () => verify(kernel(body)))
}

const refused: Record<string, readonly [body: readonly Stmt[], message: RegExp, more?: Partial<LoopKernel>]> = {
  'a local read before it is set': [[store(use(f))], /kernel 'sum', store#0: 'x2' is read before it is set/],
  'a set on one branch only': [[branch([set(f, float(1))], []), store(use(f))], /store#1: 'x2' is read/],
  'a set in a loop that may not run': [[loop(use(hi), set(f, float(1))), store(use(f))], /store#1: 'x2' is read/],
  'a set later in the loop': [[loop(int(2), store(use(f)), set(f, float(1)))], /loop#0 store#0: 'x2' is read/],
  'a counter after its loop': [[counted(int(3)), store(splat(use(i)))], /'x3' is read before/],
  'a counter changed by its loop': [[counted(int(3), set(i, int(1)))], /for#0 set#0: 'x3' counts a loop/],
  'a nested loop with the same counter': [[counted(int(3), counted(int(3)))], /'x3' counts a loop/],
  'two locals of one number': [[set(f, float(1)), set(local(2, 'i32'), int(1))], /local 2 is two/],
  'a value of another type': [[set(f, int(1))], /set#0: value of 'x2' is i32, not f32v/],
  'a float as an address': [
    [{ k: 'store', mem: 'vec', at: float(0), offset: 0, value: iota }],
    /address is f32v, not i32/,
  ],
  'a negative offset': [[store(float(1), -4)], /offset -4/],
  'a fractional offset of a load': [[set(f, loadVec(addr(0), 0.5))], /offset 0.5/],
  'an unknown buffer': [[set(i, loadInt(addr(1)))], /there is no buffer 1/],
  'a word loaded as a vector': [
    [set(v, { k: 'load', type: 'i32v', mem: 'i32', at: addr(0), offset: 0 })],
    /'i32' cannot load i32v/,
  ],
  'a vector loaded as a word': [
    [set(i, { k: 'load', type: 'i32', mem: 'vec', at: addr(0), offset: 0 })],
    /'vec' cannot load i32/,
  ],
  'a word stored as a vector': [[store(int(1))], /'vec' cannot store i32/],
  'a vector stored as a word': [
    [{ k: 'store', mem: 'i32', at: addr(0), offset: 0, value: iota }],
    /'i32' cannot store i32v/,
  ],
  'a constant that is no i32': [[set(i, int(2 ** 31))], /2147483648 is no i32/],
  'a constant that is no float32': [[set(f, { k: 'float', value: 0.1 })], /0.1 is no float32/],
  'too few arguments': [[store(raw('fadd', 'f32v', float(1)))], /'fadd' takes 2 arguments, not 1/],
  'arguments of another kind': [[store(raw('fadd', 'f32v', float(1), iota))], /argument 1 of 'fadd' is i32v, not f32v/],
  'mixed integers': [[store(raw('iadd', 'i32v', iota, int(1)))], /argument 1 of 'iadd' is i32, not i32v/],
  'an integer operation on floats': [[store(raw('iadd', 'f32v', float(1), float(1)))], /'iadd' cannot give f32v/],
  'a comparison typed as a float': [[store(raw('flt', 'f32v', float(1), float(1)))], /'flt' cannot give f32v/],
  'a condition that is a vector': [[{ k: 'if', cond: iota, body: [], otherwise: [] }], /condition is i32v, not i32/],
  'a step of 0': [[{ k: 'for', v: i, from: int(0), to: int(1), step: 0, body: [] }], /step 0/],
  'a transpose of too few': [[{ k: 'transpose', out: rows.slice(1), from: four(float(1)) }], /wants 4 vectors/],
  'a transpose of other types': [[{ k: 'transpose', out: rows, from: four(iota) }], /vector is i32v, not f32v/],
  'an output twice': [[{ k: 'transpose', out: [f, f, f, f], from: four(float(1)) }], /gives one local twice/],
  'bytes into floats': [[{ k: 'bytes4', out: rows, at: four(addr(0)), offset: 0 }], /'x5' is f32v, not i32v/],
  'bytes at too few addresses': [[{ k: 'bytes4', out: rows, at: [addr(0)], offset: 0 }], /wants 4 addresses/],
  'units of no power of two': [[], /head: units of {"pictures":3}/, { units: { pictures: 3 } }],
  'a broken number of units': [[], /units of {"count":-1}/, { units: { count: -1 } }],
  'no lanes': [[], /lanes are 0/, { lanes: 0 }],
  'lo and hi in one local': [[], /one local/, { hi: lo }],
}

for (const [name, [body, message, more]] of Object.entries(refused)) {
  test(`refuses ${name}`, () => assert.throws(() => verify(kernel(body, more)), message))
}

test('names the place inside nested statements', () => {
  const body = [loop(use(hi), branch([], [counted(int(2), store(use(f)))]))]
  assert.throws(() => verify(kernel(body)), /kernel 'sum', loop#0 if#0 otherwise for#0 store#0: 'x2'/)
})
