/** `lenet doctor`: what this machine offers, what will be used, and why. */
import { existsSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { cacheHome } from '../base/fs.node.js'
import { deviceInfo } from '../device/index.js'
import { formatTable } from '../report/index.js'

export function doctorCommand(options: { json?: boolean }): void {
  const { simd, fusedMultiplyAdd, sharedMemory } = deviceInfo()
  const data = join(cacheHome(), 'cifar10')
  const facts = {
    node: process.version,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    wasmSimd: simd,
    fusedMultiplyAdd,
    sharedMemory,
    device: simd ? 'wasm' : 'interp',
    threads: 1,
    cifar10: existsSync(data) ? data : null,
  }
  if (options.json) return void process.stdout.write(`${JSON.stringify({ event: 'doctor', ...facts })}\n`)
  const rows = [
    ['Node', facts.node],
    ['processor', `${facts.processor}, ${facts.cores} cores, ${facts.memoryGiB} GiB`],
    ['WebAssembly SIMD', simd ? 'yes' : 'no: nothing but the slow interpreter can run here'],
    ['fused multiply-add', fusedMultiplyAdd ? 'yes (relaxed SIMD)' : 'no: last bits differ from machines that have it'],
    ['shared memory', sharedMemory ? 'yes' : 'no'],
    ['device used', `${facts.device}, 1 thread (native kernels and more threads are not built yet)`],
    ['CIFAR-10', facts.cifar10 ?? 'not fetched yet: lenet data cifar10'],
  ]
  process.stdout.write(`${formatTable(rows)}\n`)
}
