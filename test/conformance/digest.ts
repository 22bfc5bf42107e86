/**
 * Prints a digest of the bits of every case on one device, one JSON line a case: node digest.js wasm|interp.
 * Not a test: agreement.test.ts runs it, since a process has one device.
 */
import { createHash } from 'node:crypto'
import type { DeviceName } from '../../src/device/index.js'
import { read } from '../../src/tensor/runtime.js'
import { setDevice } from '../../src/tensor/current.js'
import { cases, nodesOf } from './cases.js'

setDevice(process.argv[2] as DeviceName)
for (const { name, build } of cases) {
  const hash = createHash('sha256')
  for (const node of nodesOf(build())) {
    const values = read(node)
    // which NaN a device gives is not part of the promise
    hash.update(values instanceof Float32Array ? values.map((v) => (Number.isNaN(v) ? NaN : v)) : values)
  }
  console.log(JSON.stringify([name, hash.digest('hex')]))
}
