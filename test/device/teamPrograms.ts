/** Small programs that a team of three runs, also such in which one member fails. Not a test. */
import { add, alu, int, loadInt, mul, type Expr, type LoopKernel, type Program } from '../../src/compiler/index.js'
import { createDevice, type Device } from '../../src/device/index.js'
import { input, kernelOf, output, outputOf, programOf } from './kernels.js'

export const threads = 3

/** One unit a member, which stores a word; so much work is said to be in it that a team does it. */
function unitsOf(write: (u: Expr) => { at: Expr; value: Expr }): LoopKernel {
  const kernel = kernelOf(
    (b, lo, hi) =>
      b.for('u', lo, hi, 1, (u) => {
        const { at, value } = write(u)
        b.store('i32', at, 0, value)
      }),
    { count: threads },
  )
  return { ...kernel, flops: () => 1e9 }
}

/** Far behind any memory. */
const outside = 0x7fff0000

const own = (u: Expr): Expr => add(output, mul(u, 4))

/** Each member writes its number, member `who` outside of memory; behind a barrier each adds to what it wrote. */
export const failing = (who: number): Program =>
  programOf(
    unitsOf((u) => ({ at: add(own(u), mul(alu('ieq', u, int(who)), outside)), value: u })),
    unitsOf((u) => ({ at: own(u), value: add(loadInt(own(u)), loadInt(input)) })),
  )

/** What it writes for the word 70: 70, 71, 72. */
export const fine = programOf(
  unitsOf((u) => ({ at: own(u), value: u })),
  unitsOf((u) => ({ at: own(u), value: add(loadInt(own(u)), loadInt(input)) })),
)

/** Four parts of one picture, which members share as a squad; part `who` is outside of memory. Default: none. */
export function sharing(who = -1): Program {
  const parted = (write: Parameters<typeof unitsOf>[0]): LoopKernel => ({
    ...unitsOf(write),
    units: { pictures: 1, parts: { count: 4, pieces: 4 } },
  })
  const program = programOf(
    parted((u) => ({ at: add(own(u), mul(alu('ieq', u, int(who)), outside)), value: u })),
    parted((u) => ({ at: own(u), value: add(loadInt(own(u)), loadInt(input)) })),
  )
  return { ...program, barriers: [false, false] }
}

export const word = Int32Array.of(70)

/** A team of so many at work: gives what its step wrote. */
export async function ran(count: number, name: 'wasm' | 'native' = 'wasm'): Promise<() => number[]> {
  const device = createDevice(name, { threads: count })
  devices.push(device)
  await device.ready()
  return () => [...outputOf(device, fine, word, count)]
}

/** A team of three at work: gives what its step wrote. */
export const working = (name: 'wasm' | 'native'): Promise<() => number[]> => ran(threads, name)

const devices: Device[] = []

/** Ends the threads of all teams. */
export const close = async (): Promise<void> => void (await Promise.all(devices.map((device) => device.close())))
