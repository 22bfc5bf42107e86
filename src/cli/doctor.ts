/**
 * `lenet doctor`: what this machine offers, what will be used, and why; a real training step is run on every device.
 * Not here: that step (doctorDevices.ts, doctorStep.ts).
 */
import { statSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { cacheHome } from '../base/fs.node.js'
import { deviceInfo } from '../device/index.js'
import { startNativeService, type NoToolchain, type ToolchainInfo } from '../device/index.node.js'
import { formatBytes, formatTable } from '../report/index.js'
import { memoryUsage, type TierName } from '../tensor/index.js'
import { isWell, triedText, tryDevice, type Tried } from './doctorDevices.js'
import { count } from './output.js'
import { partRows } from './systemParts.js'

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

/** `lenet doctor`. Exit code 1 where a device that is there does not do its work. */
export async function doctorCommand(options: { json?: boolean }): Promise<void> {
  const facts = factsOf()
  // a CC that does not work is told; the step then runs by the compiler that --device auto takes instead
  const env = 'refused' in facts.native ? { CC: '' } : {}
  const tried = await Promise.all(devicesOf(facts).map((device) => tryDevice(device, { env })))
  if (!tried.every((one) => isWell(one, facts.fusedMultiplyAdd))) process.exitCode = 1
  const folder = join(cacheHome(), 'cifar10')
  const files = cachedFiles(folder)
  const cifar10 = files === cifar10Files.length ? folder : null
  const text = options.json
    ? JSON.stringify({ event: 'doctor', ...facts, steps: tried, cifar10 })
    : formatTable([...rowsOf(facts, tried), ['CIFAR-10', cacheText(folder, files)]])
  process.stdout.write(`${text}\n`)
}

/** Devices that this machine has. */
function devicesOf({ native, wasmSimd }: Facts): TierName[] {
  const compiled = 'reason' in native ? [] : (['native'] as const)
  return [...compiled, ...(wasmSimd ? (['wasm'] as const) : []), 'interp']
}

/** The compiler that is found, or why there is none; it is looked for as a training does. */
function findCompiler(): ToolchainInfo | NoToolchain {
  const service = startNativeService()
  try {
    return service.wait()
  } finally {
    service.close()
  }
}

function factsOf() {
  const { simd, fusedMultiplyAdd, sharedMemory } = deviceInfo()
  const native = findCompiler()
  // without fused multiply-add in WebAssembly the bits would change when native code takes over; the interpreter has it
  const canSwap = !('reason' in native) && (fusedMultiplyAdd || !simd)
  return {
    node: process.version,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    wasmSimd: simd,
    fusedMultiplyAdd,
    sharedMemory,
    native,
    /** Where `--device auto` gets to. */
    device: canSwap ? 'native' : simd ? 'wasm' : 'interp',
    threads: sharedMemory ? availableParallelism() : 1,
    /** What values may take, and what is held: here, nothing yet. */
    memory: memoryUsage(),
  }
}

type Facts = ReturnType<typeof factsOf>

function rowsOf(facts: Facts, tried: readonly Tried[]): string[][] {
  const { wasmSimd, fusedMultiplyAdd, sharedMemory, native } = facts
  return [
    ['Node', `${facts.node}, ${process.platform} ${process.arch}`],
    ['processor', `${facts.processor}, ${count(facts.cores, 'core')}, ${facts.memoryGiB} GiB`],
    ['WebAssembly SIMD', wasmSimd ? 'yes' : 'no: only native code and the slow interpreter can run here'],
    ['fused multiply-add', fusedMultiplyAdd ? 'yes (relaxed SIMD)' : 'no: last bits differ from machines that have it'],
    ['shared memory', sharedMemory ? 'yes: several threads can work' : 'no: one thread only'],
    ...partRows(),
    ...nativeRows(native),
    ...tried.map((one) => [`--device ${one.device}`, triedText(one, fusedMultiplyAdd)]),
    ['--device auto', autoText(facts)],
    ['memory for values', `up to ${facts.memory.limit / 2 ** 20} MiB (LENET_MEMORY_LIMIT or --memory-limit: less)`],
    ['threads', `${facts.threads}${facts.threads > 1 ? ' (all cores; --threads N takes fewer)' : ''}`],
  ]
}

function nativeRows(native: Facts['native']): string[][] {
  if ('reason' in native) return [['native code', `no: ${native.reason}`]]
  const { command, path, version, features, lanes, flags, cache, notices } = native
  const where = cache.isPrivate ? `${cache.folder} (of this process only)` : cache.folder
  return [
    ['native code', `yes: ${version} (${command} is ${path})`],
    ['  vectors', `${lanes} float32 lanes; ${features.join(', ') || 'no special features'}`],
    ['  flags', flags.join(' ')],
    ['  compiled kernels', `${count(cache.entries, 'function')}, ${formatBytes(cache.bytes)}, in ${where}`],
    ...notices.map((line) => ['  note', line]),
  ]
}

function autoText({ device, native, wasmSimd }: Facts): string {
  if (device === 'native')
    return `begins in ${wasmSimd ? 'WebAssembly' : 'the interpreter'}, goes on in native code once it is compiled`
  if (device === 'interp') return 'the interpreter'
  const why = 'reason' in native ? 'there is no native code' : 'native code would change last bits; --device native'
  return `WebAssembly (${why})`
}
