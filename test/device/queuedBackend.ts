/**
 * A backend that is as unlike ours as can be: nothing is computed before the event loop has turned, values are had by promises
 * alone, and no memory is shared. Its buffers are arrays of its own, a result is a new one each time, and the loop IR's
 * interpreter computes. Not a test.
 */
import { hostArray, sizeOf, type HostArray } from '../../src/base/index.js'
import { arrange, groupSize, makePlan, slackBytes, type Plan as Compiled } from '../../src/compiler/index.js'
import { writtenLeaves } from '../../src/device/cpu/bound.js'
import { intoLanes, rowMajor, viewAt } from '../../src/device/cpu/lanes.js'
import { sized } from '../../src/device/cpu/result.js'
import {
  bytesOf,
  createInterpDevice,
  type Backend,
  type BackendState,
  type MemoryUsage,
  type Buf,
  type Graph,
  type Input,
  type Place,
  type Plan,
  type Result,
} from '../../src/device/index.js'
import { labelError, type NodeType } from '../../src/graph/index.js'

class QueuedBuf implements Buf {
  readonly stays = true
  readonly kept = true
  readonly bytes: Uint8Array
  /** Why what should be here could not be computed. */
  failure: unknown = null
  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes)
  }
  hold(): void {}
}

const bufOf = ({ buf }: Place): QueuedBuf => buf as QueuedBuf

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class QueuedBackend implements Backend {
  readonly name = 'queued'
  readonly tier = 'interp'
  readonly device = createInterpDevice({ shared: false })
  /** Runs that were asked for. */
  runs = 0
  #last: Promise<void> = turn()

  /** Does it when all before is done. */
  enqueue(job: () => void): Promise<void> {
    this.#last = this.#last.then(job)
    return this.#last
  }

  alloc(bytes: number): QueuedBuf {
    return new QueuedBuf(bytes)
  }

  write(buf: Buf, at: number, data: HostArray): void {
    const copy = bytesOf(data).slice()
    void this.enqueue(() => bufOf({ buf, at }).bytes.set(copy, at))
  }

  copy(from: Place, to: Place, bytes: number): void {
    void this.enqueue(() => bufOf(to).bytes.set(bufOf(from).bytes.subarray(from.at, from.at + bytes), to.at))
  }

  async read(from: Place, bytes: number): Promise<Uint8Array> {
    let found = new Uint8Array(0)
    await this.enqueue(() => (found = bufOf(from).bytes.slice(from.at, from.at + bytes)))
    await turn()
    if (bufOf(from).failure !== null) throw bufOf(from).failure
    return found
  }

  plan(graph: Graph): QueuedPlan {
    return new QueuedPlan(this, graph)
  }

  state(): BackendState {
    return { threads: 1, native: 'none', notices: [] }
  }

  usage(): MemoryUsage {
    return { limit: Infinity, used: 0, reserved: 0, plans: 0, arena: 0, tensors: 0, data: 0 }
  }

  close(): Promise<void> {
    return this.#last
  }
}

const sizeIn = ({ shape, dtype }: NodeType): number => sizeOf(shape) * (dtype === 'u8' ? 1 : 4)

class QueuedPlan implements Plan {
  readonly inputs: readonly number[]
  readonly results: readonly Result[]
  readonly bytes = 0
  readonly #backend: QueuedBackend
  readonly #compiled: Compiled
  readonly #inputTypes: readonly NodeType[]
  readonly #resultTypes: readonly NodeType[]
  #made: readonly QueuedBuf[] = []

  constructor(backend: QueuedBackend, { order, targets }: Graph) {
    this.#backend = backend
    this.inputs = order.flatMap(({ storage }, i) => (storage ? [i] : []))
    this.#compiled = makePlan(order, targets, backend.device.targetFor(1))
    this.results = this.#compiled.results
    this.#inputTypes = this.inputs.map((i) => order[i]!.kind.type)
    this.#resultTypes = this.results.map(({ index, companion }) => {
      const node = order[index]!
      return (companion ? (node.companion ?? node) : node).kind.type
    })
  }

  suits(): boolean {
    return true
  }
  piece(n: number): number {
    return n
  }
  needsGraph(): boolean {
    return false
  }
  drop(): void {}

  result(i: number): Buf {
    return this.#made[i]!
  }

  run(inputs: readonly Input[], n: number): void {
    this.#backend.runs++
    const given = inputs.map((input) => ('buf' in input ? input : input.slice()))
    const made = this.#resultTypes.map((type) => new QueuedBuf(sizeIn(sized(type, n))))
    this.#made = made
    void this.#backend.enqueue(() => {
      try {
        this.#compute(given, n, made)
      } catch (error) {
        for (const buf of made) buf.failure = error
      }
    })
  }

  #compute(inputs: readonly Input[], n: number, made: readonly QueuedBuf[]): void {
    for (const input of inputs) if ('buf' in input && bufOf(input).failure !== null) throw bufOf(input).failure
    const { memory } = this.#backend.device
    const blocks: number[] = []
    const room = (bytes: number): number => {
      const address = memory.alloc(bytes + slackBytes)
      blocks.push(address)
      return address
    }
    try {
      this.#computeIn(room, inputs, n, made)
    } finally {
      blocks.forEach((address) => memory.free(address))
    }
  }

  #computeIn(room: (bytes: number) => number, inputs: readonly Input[], n: number, made: readonly QueuedBuf[]): void {
    const { device } = this.#backend
    const { program, words, allocs, results, checks, lanes } = this.#compiled
    const step = Math.max(groupSize, lanes)
    const { offsets, keptBytes, arenaBytes } = arrange(allocs, Math.ceil(n / step) * step)
    const [kept, arena] = [room(keptBytes), room(arenaBytes)]
    const leaves = inputs.map((input, i) => this.#lay(input, sized(this.#inputTypes[i]!, n), room))
    const table = [n]
    for (const word of words)
      if ('leaf' in word) table.push(leaves[this.inputs.indexOf(word.leaf)]!)
      else table.push((allocs[word.alloc]!.kept ? kept : arena) + offsets[word.alloc]! + word.offset)
    const at = room(4 * table.length)
    device.memory.i32(at, table.length).set(table)
    const flagOf = ({ flag }: (typeof checks)[number]): Int32Array => device.memory.i32(table[flag.word]!, 3)
    for (const check of checks) flagOf(check)[0] = 0
    device.compile(program).run(at)
    for (const check of checks) {
      const [isWrong, label = 0, picture = 0] = flagOf(check)
      if (isWrong === 1) throw labelError(label, picture, check.classes)
    }
    results.forEach(({ value }, i) => {
      const type = sized(this.#resultTypes[i]!, n)
      const found = rowMajor(type, viewAt(device.memory, type, table[value.word]!, lanes), lanes)
      made[i]!.bytes.set(bytesOf(found))
    })
    for (const leaf of writtenLeaves(this.#compiled)) {
      const i = this.inputs.indexOf(leaf)
      const to = inputs[i] as Place
      bufOf(to).bytes.set(device.memory.u8(leaves[i]!, sizeIn(this.#inputTypes[i]!)), to.at)
    }
  }

  /** The address of an input, as the kernels want it. */
  #lay(input: Input, type: NodeType, room: (bytes: number) => number): number {
    const { memory } = this.#backend.device
    const length = sizeOf(type.shape)
    const values = 'buf' in input ? this.#valuesOf(input, type) : input
    const laid = type.layout === 'batch' ? intoLanes(type, values, this.#compiled.lanes) : values
    const wanted = type.layout === 'batch' ? Math.ceil(length / groupSize) * groupSize * 4 : 0
    const address = room(Math.max(laid.byteLength, wanted))
    memory.u8(address, Math.max(laid.byteLength, wanted)).fill(0)
    memory.u8(address, laid.byteLength).set(bytesOf(laid))
    return address
  }

  #valuesOf(input: Place, type: NodeType): HostArray {
    const values = hostArray(type.dtype, sizeOf(type.shape))
    const { bytes } = bufOf(input)
    bytesOf(values).set(bytes.subarray(input.at, input.at + values.byteLength))
    return values
  }
}
