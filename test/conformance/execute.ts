/**
 * Computes a graph on a device of the caller's choice, in memory of that device: several devices beside each other in
 * one process. Not a test, and not how the library does it: no plan is kept, nothing stays in memory.
 */
import { sizeOf, type HostArray } from '../../src/base/index.js'
import { allocBytes, groupSize, makePlan, type Plan, type Value } from '../../src/compiler/index.js'
import { allocFor } from '../../src/compiler/kernel.js'
import type { Device } from '../../src/device/index.js'
import type { HostStorage, Node } from '../../src/graph/index.js'

/** Every node that the targets need, inputs first. */
export function orderOf(targets: readonly Node[]): Node[] {
  const order = new Set<Node>()
  const visit = (node: Node): void => {
    if (order.has(node)) return
    if (!node.storage) node.inputs.forEach(visit)
    order.add(node)
  }
  targets.forEach(visit)
  return [...order]
}

/** What fills memory before a run: read where nothing was written, it shows in the results. */
const GARBAGE = 0x7fc0dead | 0

interface Bound {
  readonly table: number
  readonly addressOf: (value: Value) => number
}

function bind({ memory, lanes }: Device, plan: Plan, order: readonly Node[], batch: number): Bound {
  const step = Math.max(groupSize, lanes)
  const capacity = Math.ceil(batch / step) * step
  const take = (bytes: number): number => {
    const words = Math.ceil(bytes / 4)
    const address = memory.alloc(words * 4)
    memory.i32(address, words).fill(GARBAGE)
    return address
  }
  const allocs = plan.allocs.map((alloc) => take(allocBytes(alloc, capacity)))
  const addresses = plan.words.map((word) => {
    if ('alloc' in word) return (allocs[word.alloc] ?? 0) + word.offset
    const node = order[word.leaf] as Node
    const { data } = node.storage as HostStorage
    const address = take(allocBytes(allocFor(node, lanes), capacity))
    const room = node.layout === 'lanes' ? capacity : data.length
    viewOf(memory, node.dtype, address, room).fill(0).set(data)
    return address
  })
  const table = take(4 * (addresses.length + 1))
  memory.i32(table, addresses.length + 1).set([batch, ...addresses])
  return { table, addressOf: (value) => addresses[value.word - 1] ?? 0 }
}

function viewOf(memory: Device['memory'], dtype: Node['dtype'], address: number, length: number): HostArray {
  return dtype === 'f32'
    ? memory.f32(address, length)
    : dtype === 'i32'
      ? memory.i32(address, length)
      : memory.u8(address, length)
}

function fetch({ memory, lanes }: Device, { shape, dtype, layout }: Node, address: number): HostArray {
  const length = sizeOf(shape)
  if (layout === 'plain') return viewOf(memory, dtype, address, length).slice()
  const rest = sizeOf(shape.slice(1))
  const bits = new Int32Array(length)
  for (let i = 0; i < length; i++) {
    const [n, j] = [Math.floor(i / rest), i % rest]
    const at = address + 4 * ((Math.floor(n / lanes) * rest + j) * lanes + (n % lanes))
    bits[i] = memory.i32(at, 1)[0] ?? 0
  }
  if (dtype === 'u8') return Uint8Array.from(bits)
  return dtype === 'f32' ? new Float32Array(bits.buffer) : bits
}

const batchOf = (order: readonly Node[]): number => order.find(({ layout }) => layout !== 'plain')?.shape[0] ?? 1

/** The values of the targets; leaves must have values on the host, and all batches one size. */
export function execute(device: Device, targets: readonly Node[]): HostArray[] {
  const order = orderOf(targets)
  const plan = makePlan(order, targets, device.lanes)
  const executable = device.compile(plan.program)
  const bound = bind(device, plan, order, batchOf(order))
  executable.run(bound.table)
  const values = new Map(
    plan.results.map(({ index, value, companion }) => {
      const node = order[index] as Node
      return [companion ? node.companion : node, value] as const
    }),
  )
  return targets.map((target) => {
    const value = values.get(target)
    if (target.storage) return (target.storage as HostStorage).data
    if (!value) throw new Error(`${target.op} was not computed`)
    return fetch(device, target, bound.addressOf(value))
  })
}

/** An array of the dtype's kind with given bits of each element; for comparing bit by bit, any NaN as one. */
export function bitsOf(values: HostArray): HostArray {
  if (!(values instanceof Float32Array)) return values
  return new Int32Array(values.map((v) => (Number.isNaN(v) ? Number.NaN : v)).buffer)
}
