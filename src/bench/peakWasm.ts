/**
 * The peak of fused multiply-adds with WebAssembly's 128-bit vectors on one core: eight independent chains in registers,
 * as many as V8 keeps there. The module is spelled here byte by byte, so that it owes nothing to our compiler.
 */

const chains = 8
/** Turns of the loop in one call, and multiply-adds of four lanes unrolled in a turn for each chain. */
const turns = 100_000
const unrolled = 4

const magic = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)])
const section = (id: number, bytes: readonly number[]): number[] => [id, ...leb(bytes.length), ...bytes]
const simd = (opcode: number): number[] => [0xfd, ...leb(opcode)]
const get = (local: number): number[] => [0x20, local]
const set = (local: number): number[] => [0x21, local]

const relaxedMadd = simd(0x105)
const [splat, add, extract] = [simd(0x13), simd(0xe4), [...simd(0x1f), 0]]

/** (turns: i32, factor: f32) → f32. Locals: 0 turns, 1 factor, 2 the factor in all lanes, then the chains. */
function body(): number[] {
  const chain = (i: number): number => 3 + i
  const each = Array.from({ length: chains }, (_, i) => i)
  const madd = (i: number): number[] => [...get(chain(i)), ...get(2), ...get(2), ...relaxedMadd, ...set(chain(i))]
  const turn = Array.from({ length: unrolled }, () => each.flatMap(madd)).flat()
  const loop = [0x03, 0x40, ...turn, ...get(0), 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b]
  const start = [...get(1), ...splat, ...set(2), ...each.flatMap((i) => [...get(2), ...set(chain(i))])]
  const total = [...get(chain(0)), ...each.slice(1).flatMap((i) => [...get(chain(i)), ...add]), ...extract]
  return [1, ...leb(chains + 1), 0x7b, ...start, ...loop, ...total, 0x0b]
}

export function peakModule(): Uint8Array<ArrayBuffer> {
  const code = body()
  return Uint8Array.from([
    ...magic,
    ...section(1, [1, 0x60, 2, 0x7f, 0x7d, 1, 0x7d]),
    ...section(3, [1, 0]),
    ...section(7, [1, 4, ...new TextEncoder().encode('peak'), 0, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ])
}

/**
 * GFLOP/s, the best call within so many seconds; the first calls are V8's quick code and slower.
 * @throws where there is no relaxed SIMD
 */
export function wasmPeak(seconds: number): number {
  const { peak } = new WebAssembly.Instance(new WebAssembly.Module(peakModule())).exports
  if (typeof peak !== 'function') throw new Error('the peak module exports no function')
  let best = Infinity
  const end = performance.now() + 1000 * seconds
  while (performance.now() < end) {
    const start = performance.now()
    peak(turns, 0.5)
    best = Math.min(best, performance.now() - start)
  }
  return (2 * 4 * chains * unrolled * turns) / best / 1e6
}
