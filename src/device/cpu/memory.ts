/**
 * The one memory in which every value of this backend lives: a WebAssembly.Memory, shared where the platform allows it, with a small
 * first-fit allocator over it.
 * Not here: what lives where (compiler's memory plan, tensor), and lifetimes: whoever allocates frees.
 */
import { LenetError, isError } from '../../base/index.js'
import { OutOfMemory } from '../backend.js'

const PAGE = 65536
const ALIGNMENT = 64
/** All that 32-bit addresses reach but the last page: no address behind a block wraps around. */
const MAX_PAGES = 65535
const MIN_GROWTH = 64

/** For tests: where new memories begin to give out addresses. What lies below is reserved, not touched. */
export const placement = { first: ALIGNMENT }

export interface MemoryOptions {
  /** Default: 64 pages of 64 KiB. */
  readonly initialPages?: number
  /** Default: 4 GiB less a page, or as much as the platform reserves. */
  readonly maximumPages?: number
  /** Default: shared where SharedArrayBuffer exists. */
  readonly shared?: boolean
}

/** A free block: byte address and size, both multiples of 64. */
interface Block {
  readonly address: number
  readonly size: number
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

/**
 * A WebAssembly.Memory, by what it has: its own type comes with a page's library (DOM), which a program that uses ours
 * need not have.
 */
export interface LinearMemory {
  readonly buffer: ArrayBuffer
  /** Pages of 64 KiB more; the number before. */
  grow(pages: number): number
}

/** Whether threads can work on one memory. */
export const canShare = (): boolean => typeof SharedArrayBuffer === 'function' && typeof WebAssembly !== 'undefined'

export class DeviceMemory {
  readonly memory: LinearMemory
  readonly shared: boolean
  /** The whole memory, for single values: ask anew after an allocation. */
  floats = new Float32Array(0)
  ints = new Int32Array(0)
  bytes = new Uint8Array(0)
  #maximumPages: number
  /** By address; neighbours are merged, so no two touch. */
  readonly #free: Block[] = []
  readonly #used = new Map<number, number>()
  #usedBytes = 0
  /** Blocks that were ever allocated. */
  allocations = 0
  /**
   * Asked where nothing is free and the memory cannot grow: gives something back that can be done without, and tells whether
   * it did. Set by whoever knows what that is.
   */
  relief: () => boolean = () => false
  /** One past the last byte that the allocator governs; the memory's length. */
  #end: number

  constructor(options: MemoryOptions = {}) {
    this.shared = options.shared ?? canShare()
    const { first } = placement
    const initial = (options.initialPages ?? MIN_GROWTH) + Math.floor(first / PAGE)
    const { memory, maximum } = reserve(initial, Math.max(initial, options.maximumPages ?? MAX_PAGES), this.shared)
    this.memory = memory
    this.#maximumPages = maximum
    this.#end = memory.buffer.byteLength
    this.#look()
    // The first 64 bytes stay unused, so that no address is 0.
    if (this.#end > first) this.#free.push({ address: first, size: this.#end - first })
  }

  /** The bytes; another object after the memory has grown. */
  get buffer(): ArrayBufferLike {
    return this.memory.buffer
  }

  /** Bytes in allocated blocks. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Bytes taken from the system (the memory's length). */
  get totalBytes(): number {
    return this.#end
  }

  /** Bytes that the memory can have at most. */
  get limitBytes(): number {
    return this.#maximumPages * PAGE
  }

  /**
   * The address of at least `bytes` bytes: a multiple of 64, never 0. What stands there is not cleared.
   * Views made before may be of the memory's old length: make views anew after an allocation.
   * @throws OutOfMemory when the memory cannot grow enough and `relief` has nothing more to give
   */
  alloc(bytes: number): number {
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Error(`cannot allocate ${bytes} bytes`)
    const size = Math.max(ALIGNMENT, aligned(bytes))
    let index = this.#fitting(size)
    while (index < 0) {
      if (!this.#grow(size) && !this.relief()) throw new OutOfMemory(size, this.#usedBytes, this.limitBytes)
      index = this.#fitting(size)
    }
    const { address, size: available } = this.#free[index]!
    const rest = available > size ? [{ address: address + size, size: available - size }] : []
    this.#free.splice(index, 1, ...rest)
    this.#used.set(address, size)
    this.#usedBytes += size
    this.allocations++
    return address
  }

  #fitting(size: number): number {
    return this.#free.findIndex((block) => block.size >= size)
  }

  /** Gives a block back. `address` must come from `alloc` and not have been freed since. */
  free(address: number): void {
    const size = this.#used.get(address)
    if (size === undefined) throw new Error(`no block begins at ${address}`)
    this.#used.delete(address)
    this.#usedBytes -= size
    this.#release({ address, size })
  }

  /** [begin, end) of the allocated block in which `address` lies. Looks at every block: for checks only. */
  blockAt(address: number): readonly [begin: number, end: number] | undefined {
    for (const [begin, size] of this.#used) {
      if (address >= begin && address < begin + size) return [begin, begin + size]
    }
    return undefined
  }

  /** A view of `length` float32; `address` is a multiple of 4. */
  f32(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length)
  }

  i32(address: number, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, length)
  }

  u8(address: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, length)
  }

  /** Where the first free block after `address` is in the list. */
  #position(address: number): number {
    let low = 0
    let high = this.#free.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#free[middle]!.address < address) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Puts a block into the free list and merges it with the neighbours that it touches. */
  #release({ address, size }: Block): void {
    const at = this.#position(address)
    const before = this.#free[at - 1]
    const after = this.#free[at]
    const joinsBefore = before !== undefined && before.address + before.size === address
    const joinsAfter = after !== undefined && address + size === after.address
    const merged = {
      address: joinsBefore ? before.address : address,
      size: size + (joinsBefore ? before.size : 0) + (joinsAfter ? after.size : 0),
    }
    this.#free.splice(joinsBefore ? at - 1 : at, Number(joinsBefore) + Number(joinsAfter), merged)
  }

  /** Makes the last free block at least `size` bytes long; false where the memory cannot grow so far. */
  #grow(size: number): boolean {
    const last = this.#free.at(-1)
    const atEnd = last !== undefined && last.address + last.size === this.#end ? last.size : 0
    const needed = Math.ceil((size - atEnd) / PAGE)
    const room = this.#maximumPages - this.#end / PAGE
    // An eighth more than now at least: many small growths are slow and leave old buffers behind.
    const wanted = Math.min(room, Math.max(needed, MIN_GROWTH, Math.ceil(this.#end / PAGE / 8)))
    if (needed > room) return false
    if (!this.#tryGrow(wanted) && (needed === wanted || !this.#tryGrow(needed))) {
      this.#maximumPages = this.#end / PAGE + needed - 1 // so much less than was promised
      return false
    }
    const end = this.memory.buffer.byteLength
    this.#release({ address: this.#end, size: end - this.#end })
    this.#end = end
    return true
  }

  /** Views of the whole memory as it is now. */
  #look(): void {
    const { buffer } = this.memory
    this.floats = new Float32Array(buffer)
    this.ints = new Int32Array(buffer)
    this.bytes = new Uint8Array(buffer)
  }

  #tryGrow(pages: number): boolean {
    try {
      this.memory.grow(pages)
      this.#look()
      return true
    } catch (error) {
      if (isError(error, 'RangeError')) return false
      throw error
    }
  }
}

const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`

/** What stands for a WebAssembly.Memory where there is none (`node --jitless`): for one thread. */
class PlainMemory implements LinearMemory {
  buffer: ArrayBuffer

  constructor(pages: number) {
    this.buffer = new ArrayBuffer(pages * PAGE)
  }

  grow(pages: number): number {
    const { byteLength } = this.buffer
    const grown = new Uint8Array(byteLength + pages * PAGE)
    grown.set(new Uint8Array(this.buffer))
    this.buffer = grown.buffer
    return byteLength / PAGE
  }
}

/** The memory, and how many pages it can have. A shared memory's maximum is reserved at once, which small machines refuse: then a smaller one is asked for. */
export function reserve(initial: number, maximum: number, shared: boolean): { memory: LinearMemory; maximum: number } {
  if (typeof WebAssembly === 'undefined') return { memory: new PlainMemory(initial), maximum }
  for (let pages = maximum; ; pages = Math.max(initial, pages >> 1)) {
    try {
      return { memory: new WebAssembly.Memory({ initial, maximum: pages, shared }), maximum: pages }
    } catch (error) {
      if (!isError(error, 'RangeError')) throw error
      if (pages <= initial)
        throw new LenetError(
          `the system gives this process no ${mib(initial * PAGE)} for WebAssembly, which reserves some GiB of addresses more ` +
            '(ulimit -v?): lift the limit, or start Node with --disable-wasm-trap-handler',
        )
    }
  }
}
