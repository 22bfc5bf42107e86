/** `lenet doctor`: what this machine offers, what will be used, and why. */
import { statSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { cacheHome } from '../base/fs.node.js'
import { deviceInfo } from '../device/index.js'
import { formatTable } from '../report/index.js'

/** Training and test pictures, as they lie in our cache. */
const cifar10Files = ['data_batch_1', 'data_batch_2', 'data_batch_3', 'data_batch_4', 'data_batch_5', 'test_batch']
const cifar10Bytes = 30_730_000

/** How many of the six files have their length. Their sums are checked where they are used. */
const cachedFiles = (folder: string): number =>
  cifar10Files.filter((name) => bytesOf(join(folder, `${name}.bin`)) === cifar10Bytes).length

/** Of a file that cannot be looked at: undefined. */
function bytesOf(path: string): number | undefined {
  try {
    return statSync(path).size
  } catch {
    return undefined
  }
}

function cacheText(folder: string, files: number): string {
  if (files === 0) return 'not fetched yet: lenet data cifar10'
  if (files < cifar10Files.length) return `incomplete, ${files} of 6 files in ${folder}: lenet data cifar10`
  return folder
}

export function doctorCommand(options: { json?: boolean }): void {
  const { simd, fusedMultiplyAdd, sharedMemory } = deviceInfo()
  const data = join(cacheHome(), 'cifar10')
  const files = cachedFiles(data)
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
    cifar10: files === cifar10Files.length ? data : null,
  }
  if (options.json) return void process.stdout.write(`${JSON.stringify({ event: 'doctor', ...facts })}\n`)
  const rows = [
    ['Node', facts.node],
    ['processor', `${facts.processor}, ${facts.cores} cores, ${facts.memoryGiB} GiB`],
    ['WebAssembly SIMD', simd ? 'yes' : 'no: nothing but the slow interpreter can run here'],
    ['fused multiply-add', fusedMultiplyAdd ? 'yes (relaxed SIMD)' : 'no: last bits differ from machines that have it'],
    ['shared memory', sharedMemory ? 'yes' : 'no'],
    ['device used', `${facts.device}, 1 thread (native kernels and more threads are not built yet)`],
    ['CIFAR-10', cacheText(data, files)],
  ]
  process.stdout.write(`${formatTable(rows)}\n`)
}
