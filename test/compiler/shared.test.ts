/**
 * Equal kernels are one: told apart by all that they do and by nothing else, counted in a net of equal layers, and one
 * function of what is rendered, which gives each call's own results.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  add,
  addr,
  alu,
  Builder,
  distinct,
  float,
  int,
  loadInt,
  loadVec,
  makePlan,
  mul,
  nativeTarget,
  renderC,
  renderWasm,
  shareKernels,
  wasmTarget,
  type Expr,
  type LoopKernel,
  type Program,
} from '../../src/compiler/index.js'
import type { Node } from '../../src/graph/index.js'
import { nn } from '../../src/nn/index.js'
import { zeros } from '../../src/tensor/index.js'
import { orderOf } from '../conformance/runPlan.js'
import { input, interp, kernelOf, output, wasm } from '../device/kernels.js'

/** out = in · factor + 1, with as many locals before it as are left out of use. */
function scaled(factor: number, unused = 0): LoopKernel {
  return kernelOf((b) => {
    for (let i = 0; i < unused; i++) b.local('f32v', 'unused')
    const x = b.let('x', alu('fmul', loadVec(input), float(factor)))
    b.store('vec', output, 0, alu('fadd', x, float(1)))
  })
}

const sharedCount = (...kernels: LoopKernel[]): number => new Set(shareKernels(kernels)).size

describe('equal kernels', () => {
  test('are one, whatever their locals are called or numbered', () => {
    const [first, second] = [scaled(2), scaled(2, 3)]
    assert.deepEqual(shareKernels([first, second]), [first, first])
    assert.equal(sharedCount(scaled(2), scaled(2)), 1)
    assert.deepEqual(distinct([first, second, first]), { kernels: [first, second], calls: [0, 1, 0] })
  })

  const one = scaled(2)
  const others: Readonly<Record<string, LoopKernel>> = {
    'another constant': scaled(3),
    'another zero': scaled(-0),
    'another name': { ...one, name: 'other' },
    'other units': { ...one, units: { pictures: 2 } },
    'a count of units': { ...one, units: { count: 1 } },
    'other lanes': { ...one, lanes: 8 },
    'another use of a buffer': { ...one, buffers: ['both', 'both'] },
    'one buffer more': { ...one, buffers: [...one.buffers, 'read'] },
    'other buffers': kernelOf((b) => b.store('vec', output, 0, alu('fadd', loadVec(output), float(1)))),
    'another offset': kernelOf((b) => b.store('vec', output, 16, alu('fadd', loadVec(input), float(1)))),
    'another operation': kernelOf((b) => b.store('vec', output, 0, alu('fsub', loadVec(input), float(1)))),
    'arguments exchanged': kernelOf((b) => b.store('vec', output, 0, alu('fadd', float(1), loadVec(input)))),
    'another statement': kernelOf((b) => b.loop(int(2), () => b.store('vec', output, 0, loadVec(input)))),
    'another end of a loop': kernelOf((b) => {
      b.loop(int(2), () => {})
      b.store('vec', output, 0, loadVec(input))
    }),
  }
  test('are told from all others', () => {
    const all = [one, scaled(0), ...Object.values(others)]
    assert.equal(sharedCount(...all), all.length)
    for (const [name, other] of Object.entries(others)) assert.equal(sharedCount(one, other), 2, name)
  })

  test('that tell lo from hi are told from each other', () => {
    const kernel = kernelOf((b, lo) => b.store('i32', output, 0, lo))
    assert.equal(sharedCount(kernel, { ...kernel, lo: kernel.hi, hi: kernel.lo }), 2)
  })

  test('with one local for two are others than with two', () => {
    const sum = (same: boolean): LoopKernel =>
      kernelOf((b) => {
        const [x, y] = [b.let('x', loadVec(input)), b.let('y', loadVec(input, 16))]
        b.store('vec', output, 0, alu('fadd', x, same ? x : y))
      })
    assert.equal(sharedCount(sum(true), sum(false)), 2)
  })
})

/** What the gradients of so many equal layers take. */
function stepOf(layers: number, lanes: number): Program {
  const net = new nn.Sequential(
    ...Array.from({ length: layers }, () => [new nn.Conv2d(4, 4, 3, { padding: 1 }), new nn.ReLU()]).flat(),
  )
  net
    .forward(zeros([8, 4, 6, 6]))
    .sum()
    .backward()
  const targets: Node[] = [...net.parameters()].flatMap(({ grad }) => (grad ? [grad.node] : []))
  return makePlan(orderOf(targets), targets, lanes === 4 ? wasmTarget : nativeTarget(lanes, 32)).program
}

describe('a net of equal layers', () => {
  for (const lanes of [4, 16])
    test(`needs no more functions for 8 layers than for 4, ${lanes} lanes`, () => {
      const [four, eight] = [stepOf(4, lanes), stepOf(8, lanes)]
      assert.ok(eight.kernels.length > 1.7 * four.kernels.length, `${four.kernels.length} → ${eight.kernels.length}`)
      assert.equal(new Set(eight.kernels).size, new Set(four.kernels).size)
      assert.deepEqual(renderC(eight), renderC(four))
    })

  test('is a module that calls them', () => {
    const options = { relaxedFma: false, shared: true }
    const [four, eight] = [stepOf(4, 4), stepOf(8, 4)].map((program) => renderWasm(program, options))
    assert.ok(four && eight && WebAssembly.validate(eight))
    // beside the calls
    const apart = renderWasm(withoutSharing(stepOf(8, 4)), options)
    assert.ok(eight.length - four.length < (apart.length - four.length) / 3, `${four.length} ${eight.length}`)
  })
})

const withoutSharing = (program: Program): Program => ({ ...program, kernels: program.kernels.map((k) => ({ ...k })) })

describe('a shared function', () => {
  /** Adds up the first words of its buffers but the last, and writes that plus n times the unit into the last. */
  function sumOf(buffers: number): LoopKernel {
    const b = new Builder()
    const [lo, hi] = [b.local('i32', 'lo'), b.local('i32', 'hi')]
    b.for('u', { k: 'var', v: lo }, { k: 'var', v: hi }, 1, (u) => {
      const sum = b.let('sum', mul(u, 1000))
      for (let i = 0; i + 1 < buffers; i++) b.set(sum.v, add(sum, loadInt(addr(i))))
      b.store('i32', add(addr(buffers - 1), mul(u, 4)), 0, add(sum, { k: 'n' } as Expr))
    })
    const access = Array.from({ length: buffers }, (_, i) => (i + 1 < buffers ? ('read' as const) : ('write' as const)))
    return { name: 'sum', lanes: 4, buffers: access, units: { count: 3 }, lo, hi, body: b.body, flops: () => 0 }
  }

  /** Twice the same kernel: on words 1 … and on those behind them. */
  function twice(buffers: number): Program {
    const slots = [0, 1].map((call) => Array.from({ length: buffers }, (_, i) => 1 + call * buffers + i))
    const kernels = shareKernels([sumOf(buffers), sumOf(buffers)])
    assert.equal(kernels[0], kernels[1])
    return { kernels, slots, slotCount: 1 + 2 * buffers, barriers: [false, false] }
  }

  // more than a function takes as parameters, too
  for (const buffers of [1, 3, 100, 101, 1500])
    test(`works on the ${buffers} buffers of each call`, () => {
      const program = twice(buffers)
      const wanted = [0, 1].flatMap((call) => {
        const sum = Array.from({ length: buffers - 1 }, (_, i) => 1 + call * buffers + i).reduce((a, x) => a + x, 0)
        return [0, 1, 2].map((unit) => 1000 * unit + sum + 7)
      })
      for (const device of [wasm, interp]) {
        const { memory } = device
        const [table, values] = [memory.alloc(4 * program.slotCount), memory.alloc(16 * program.slotCount)]
        const address = (slot: number): number => values + 16 * slot
        const words = memory.i32(table, program.slotCount)
        words.forEach((_, slot) => (words[slot] = slot === 0 ? 7 : address(slot)))
        for (let slot = 1; slot < program.slotCount; slot++) memory.i32(address(slot), 1)[0] = slot
        const executable = device.compile(program)
        executable.run(table)
        const found = (): number[] => [1, 2].flatMap((call) => [...memory.i32(address(call * buffers), 3)])
        assert.deepEqual(found(), wanted, device.name)
        memory.i32(address(2 * buffers), 3).fill(0)
        executable.runKernel(1, table)
        assert.deepEqual(found(), wanted, `${device.name}: one kernel`)
      }
    })
})
