/**
 * Every case with its values above 2 and above 3 GiB, where addresses are negative as i32: the bits of low addresses.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createDevice, createInterpDevice, deviceInfo, type DeviceMemory } from '../../src/device/index.js'
import { placement } from '../../src/device/cpu/memory.js'
import { cases, nodesOf } from './cases.js'
import { batchesOf, runPlan } from './runPlan.js'

type Make = () => ReturnType<typeof createDevice>

/** A device whose memory begins there. */
function at(first: number, make: Make): ReturnType<Make> {
  const { first: usual } = placement
  placement.first = first
  try {
    return make()
  } finally {
    placement.first = usual
  }
}

const places = [2 ** 31 + 64, 3 * 2 ** 30 + 2 ** 29]
const skip = deviceInfo().simd ? false : 'there is no SIMD in WebAssembly here'

const end = ({ memory }: { memory: DeviceMemory }): number => {
  const address = memory.alloc(64)
  memory.free(address)
  return address
}

describe('addresses that are negative as i32', () => {
  const makers: readonly (readonly [string, readonly number[], Make])[] = [
    ['interp', places.slice(1), () => createInterpDevice()],
    ['wasm', places, () => createDevice('wasm', { threads: 1 })],
  ]
  for (const [name, where, make] of makers)
    for (const place of where)
      test(`${name}, from ${place}`, { skip: name === 'wasm' && skip }, () => {
        const [low, high] = [make(), at(place, make)]
        assert.ok(end(high) >= place)
        for (const { name: which, build } of cases) {
          if (batchesOf(nodesOf(build())).size > 1) continue
          const nodes = nodesOf(build())
          assert.deepEqual(runPlan(high, nodes), runPlan(low, nodes), which)
        }
      })
})
