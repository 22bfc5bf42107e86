/**
 * Runs a graph's plan on a device of its own, in memory full of NaN: what a kernel reads and nobody wrote shows.
 * Not a test. The way that users' tensors go is src/device/cpu/cpuPlan.ts.
 */
import { sizeOf } from '../../src/base/index.js'
import type { DType, HostArray } from '../../src/base/index.js'
import { arrange, checkArrangement, groupSize, makePlan, type Plan } from '../../src/compiler/index.js'
import type { Device } from '../../src/device/index.js'
import type { HostStorage, Node } from '../../src/graph/index.js'

const nanBits = 0x7fc00000

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

/** Sizes of batches in a graph; a plan has one or none. */
export const batchesOf = (targets: readonly Node[]): Set<number> =>
  new Set(orderOf(targets).flatMap((node) => (node.layout === 'plain' ? [] : [node.shape[0] ?? 1])))

const viewOf = ({ memory }: Device, dtype: DType, at: number, count: number): HostArray =>
  dtype === 'f32' ? memory.f32(at, count) : dtype === 'i32' ? memory.i32(at, count) : memory.u8(at, count)

/** A block of at least so many bytes, all NaN. */
function poisoned({ memory }: Device, bytes: number): number {
  const size = Math.ceil(bytes / 64) * 64
  const at = memory.alloc(size)
  memory.i32(at, size / 4).fill(nanBits)
  return at
}

/** A host leaf's values with room for the whole groups of pictures, and for a vector behind. */
function place(device: Device, leaf: Node, pictures: number): number {
  const { data } = leaf.storage as HostStorage
  const [batch = 1] = leaf.shape
  const room = leaf.layout === 'plain' ? data.length : (data.length / batch) * pictures
  const at = poisoned(device, room * data.BYTES_PER_ELEMENT + 256)
  viewOf(device, leaf.dtype, at, data.length).set(data)
  if (leaf.layout === 'batch') viewOf(device, leaf.dtype, at, room).fill(0, data.length)
  return at
}

function addresses(device: Device, plan: Plan, order: readonly Node[], pictures: number): number[] {
  const arrangement = arrange(plan.allocs, pictures)
  checkArrangement(plan.allocs, arrangement, pictures)
  const [kept, arena] = [poisoned(device, arrangement.keptBytes), poisoned(device, arrangement.arenaBytes)]
  return plan.words.map((word) => {
    if ('alloc' in word) {
      const at = plan.allocs[word.alloc]?.kept ? kept : arena
      return at + (arrangement.offsets[word.alloc] ?? 0) + word.offset
    }
    const leaf = order[word.leaf]
    if (!leaf) throw new Error('a word of no leaf')
    return place(device, leaf, pictures)
  })
}

/** Row-major from lanes: [⌈N/L⌉][rest][L]. */
function fromLanes(lanes: number, shape: readonly number[], from: HostArray): number[] {
  const rest = sizeOf(shape.slice(1))
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    const [n, k] = [Math.floor(i / rest), i % rest]
    return from[(Math.floor(n / lanes) * rest + k) * lanes + (n % lanes)] ?? NaN
  })
}

/** The targets' values; bits as float32 or whole numbers. Leaves have host storage; there is one size of batch. */
export function runPlan(device: Device, targets: readonly Node[], make = makePlan): number[][] {
  const order = orderOf(targets)
  const [batch = 1] = batchesOf(targets)
  const plan = make(order, targets, device.targetFor(batch))
  const step = Math.max(groupSize, plan.lanes)
  const pictures = Math.ceil(batch / step) * step
  const words = [batch, ...addresses(device, plan, order, pictures)]
  const table = device.memory.alloc(words.length * 4)
  device.memory.i32(table, words.length).set(words)
  device.compile(plan.program).run(table)
  return targets.map((target) => {
    if (target.storage) return Array.from((target.storage as HostStorage).data)
    const result = plan.results.find(({ index, companion }) => order[index] === target && !companion)
    if (!result) throw new Error(`${target.op} is no result of its plan`)
    const { shape, dtype, layout } = target
    const at = words[result.value.word] ?? 0
    if (layout !== 'batch') return Array.from(viewOf(device, dtype, at, sizeOf(shape)))
    const room = sizeOf(shape.slice(1)) * pictures
    return fromLanes(plan.lanes, shape, viewOf(device, dtype === 'f32' ? 'f32' : 'i32', at, room))
  })
}
