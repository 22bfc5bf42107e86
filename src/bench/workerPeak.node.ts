/** The participant that measures WebAssembly's peak on one core: a step is a measurement, its "milliseconds" GFLOP/s. */
import { enableRelaxedSimd } from '../device/index.node.js'
import { wasmPeak } from './peakWasm.js'
import { createInterface } from 'node:readline'

enableRelaxedSimd()
const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`)
say({ event: 'ready', facts: {} })
for await (const line of createInterface({ input: process.stdin })) {
  const { seconds } = JSON.parse(line) as { seconds: number }
  say({ event: 'steps', ms: [wasmPeak(seconds)] })
}
