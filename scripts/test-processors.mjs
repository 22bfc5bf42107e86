/**
 * Runs what was compiled on other processors, emulated (emulator.mjs), and compares bits: `npm run test:arm64` (operations,
 * trainings in WebAssembly, interpreter and NEON, files) and `npm run test:x64` (x86-64 without AVX-512, AVX2, fused
 * multiply-add, SSE4: which needs much less to be fetched). `[-- --minutes N] [WORD…]`: N (default 5) bounds the whole, what
 * has not ended by then is skipped by name; WORDs choose checks whose name contains one of them.
 * Exit code: 0 where all that ran passed, 1 where one failed, 75 where what is needed cannot be had.
 * Not part of `npm test`: the packages are downloads of 90 (x64) to 250 MB. For Linux on x86-64: there a process of
 * another processor can start the compilers of this one.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const UNAVAILABLE = 75
const root = join(import.meta.dirname, '..')
const conformance = (name) => join('dist', 'test', 'conformance', name)

/** Process groups that run, and what is to be removed: nothing is left when this process ends, whyever it does. */
const running = new Set()
const closing = []
process.on('exit', () => {
  running.forEach(stop)
  closing.forEach((close) => close())
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143))

function stop(group) {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // It has just ended.
  }
}

/** @returns `{ code, stdout, stderr }`; code null where it was stopped */
function start(node, args, { folder, env, until }) {
  const child = spawn(node, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  if (child.pid !== undefined) running.add(child.pid)
  const timer = setTimeout(() => stop(child.pid), Math.max(1, until - Date.now()))
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text))
  return new Promise((resolve) => {
    child.on('error', (error) => (output.stderr += error.message))
    child.on('close', (code) => {
      clearTimeout(timer)
      running.delete(child.pid)
      resolve({ code, ...output })
    })
  })
}

/** What the process printed; throws what it complained of. */
async function outputOf(machine, args, node = machine.node) {
  const { code, stdout, stderr } = await start(node, args, machine)
  if (code === null && Date.now() >= machine.until) throw new Late()
  if (code !== 0) throw new Error(`${stdout}${stderr}`.trim().slice(-3000) || `it ended with code ${code}`)
  return stdout
}

class Late extends Error {}

function same(found, wanted, what) {
  if (JSON.stringify(found) === JSON.stringify(wanted)) return
  throw new Error(`${what}: ${JSON.stringify(found)}, expected ${JSON.stringify(wanted)}`)
}

/** Trainings of longTraining.ts, and the weights that are frozen for every machine. */
async function bits(machine, device, threads, nets, long = false) {
  const { frozen, frozenShort } = await import('../dist/test/conformance/frozenBits.js')
  const size = long ? { batch: 33, steps: 20 } : { batch: 8, steps: 2 }
  const text = await outputOf(machine, [
    conformance('longTraining.js'),
    JSON.stringify({ device, threads, nets, ...size }),
  ])
  const learnt = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const digests = long ? frozen : frozenShort
  same(
    learnt.map(({ net, digest }) => [net, digest]),
    nets.map((net) => [net, digests[net]]),
    'weights',
  )
  return learnt.at(-1)
}

const bitsCheck = (device, threads, nets, long = false) => ({
  name: `${device}, ${threads === 1 ? '1 thread' : `${threads} threads`}, ${long ? 20 : 2} steps of ${nets.join(', ')}: the frozen weights`,
  run: async (machine) => {
    const { tier, lanes } = await bits(machine, device, threads, nets, long)
    same([tier, lanes], [device, 4], 'tier and lanes')
  },
})

/** What a script prints here and there. */
const equalCheck = (name, script, ...args) => ({
  name,
  run: async (machine) => {
    const command = [conformance(script), ...args]
    const there = await outputOf(machine, command)
    const here = await outputOf({ ...machine, folder: root }, command, process.execPath)
    same(there.split('\n').length > 5, true, 'something is printed')
    same(there.split('\n'), here.split('\n'), 'printed')
  },
})

const testCheck = (name, file) => ({
  name,
  run: async (machine) => {
    const text = await outputOf(machine, ['--test', '--test-reporter=tap', join('dist', 'test', file)])
    const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(text)?.[1])
    same([count('pass') > 0, count('fail'), count('skipped')], [true, 0, 0], 'passed, failed, skipped')
  },
})

const small = ['lenet', 'mixed']
const all = ['lenet', 'lenet1', 'mixed']
const armChecks = [
  { name: 'what the machine offers', run: (machine) => offers(machine, { arch: 'arm64', lanes: 4, device: 'wasm' }) },
  bitsCheck('native', 8, all),
  bitsCheck('wasm', 8, all),
  bitsCheck('interp', 1, small),
  equalCheck('files of a trained LeNet: byte for byte those of x86-64', 'fileBits.js'),
  equalCheck("operations in WebAssembly: x86-64's bits", 'digest.js', 'wasm'),
  testCheck('operations agree with the reference, WebAssembly with the interpreter', 'conformance/agreement.test.js'),
  bitsCheck('native', 2, ['lenet'], true),
  bitsCheck('wasm', 1, ['lenet'], true),
  bitsCheck('wasm', 3, small, true),
  testCheck('models in every format', 'files/model.test.js'),
]

/** Compares what a processor offers with what is wanted of it: `lanes` of native code, or `why` there is none. */
async function offers(machine, { lanes, why, fma = true, simd = true, device, arch = 'x64' }) {
  const facts = JSON.parse(await outputOf(machine, [conformance('machineFacts.js')]))
  same([facts.arch, facts.simd, facts.fusedMultiplyAdd, facts.auto], [arch, simd, fma, device], 'offers')
  same(facts.native.lanes, lanes, `lanes of native code (${facts.native.reason})`)
  if (why !== undefined) same(why.test(facts.native.reason), true, facts.native.reason)
  const told = facts.notices.some((line) => line.startsWith('WebAssembly has no'))
  same(told, !fma, 'WebAssembly tells what it lacks')
}

const noFma = { why: /this processor has no fused multiply-add\)$/, fma: false, device: 'wasm' }
/** As qemu names them, and what is there. */
const models = [
  { name: 'AVX2', cpu: 'max', lanes: 8, device: 'wasm' },
  { name: 'AVX and fused multiply-add, no AVX2', cpu: 'max,avx2=off', lanes: 4, device: 'wasm' },
  { name: 'AVX2, no fused multiply-add', cpu: 'max,fma=off', ...noFma },
  { name: 'SSE4.2', cpu: 'Nehalem', ...noFma },
  { name: 'SSSE3', cpu: 'core2duo', ...noFma, simd: false, device: 'interp' },
]

function modelChecks({ name, cpu, ...wanted }) {
  const check = (what, run) => ({ name: `${name} (${cpu}): ${what}`, cpu, run })
  const trains = (device, tier, nets) =>
    check(`${device}: the frozen weights of ${nets.join(', ')}`, async (machine) =>
      same((await bits(machine, device, 2, nets)).tier, tier, 'tier'),
    )
  return [
    check('what it offers', (machine) => offers(machine, wanted)),
    ...(wanted.lanes === undefined ? [] : [trains('native', 'native', small), trains('wasm', 'wasm', small)]),
    ...(wanted.device === 'interp' ? [trains('auto', 'interp', ['lenet'])] : []),
  ]
}

const x64Checks = models.flatMap(modelChecks)

/** 'passed', 'failed' or 'skipped'. */
async function tell({ name, run }, machine) {
  const start = Date.now()
  const seconds = () => `${Math.round((Date.now() - start) / 1000)} s`
  try {
    if (start >= machine.until) throw new Late()
    await run(machine)
    console.log(`✔ ${name} (${seconds()})`)
    return 'passed'
  } catch (error) {
    const late = error instanceof Late
    console.log(late ? `- ${name}: skipped: the time is over` : `✖ ${name} (${seconds()}): ${error.message}`)
    return late ? 'skipped' : 'failed'
  }
}

/** Two at a time. `machineOf` gives a check's machine. */
async function runAll(checks, machineOf) {
  const waiting = [...checks]
  const results = []
  const work = async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) results.push(await tell(check, machineOf(check)))
  }
  await Promise.all([work(), work()])
  return results
}

/** A machine that goes with this process. */
function open(machine, until) {
  closing.push(machine.close)
  return { ...machine, until }
}

/** The checks that the words choose, on their machines. */
function testArm(wanted, until, { armMachine }) {
  const machine = open(armMachine(until), until)
  return runAll(armChecks.filter(wanted), () => machine)
}

function testX64(wanted, until, { x64Machine }) {
  const machines = new Map(models.map(({ cpu }) => [cpu, open(x64Machine(cpu, until), until)]))
  return runAll(x64Checks.filter(wanted), ({ cpu }) => machines.get(cpu))
}

async function main() {
  const { values, positionals } = parseArgs({ options: { minutes: { type: 'string' } }, allowPositionals: true })
  const [which, ...words] = positionals
  const minutes = Number(values.minutes ?? 5)
  if (!['arm64', 'x64'].includes(which) || !(minutes > 0)) {
    console.error('test-processors: wants arm64 or x64, and --minutes above 0')
    return 1
  }
  if (!existsSync(join(root, 'dist', 'test'))) {
    console.error(`test:${which}: not compiled: run \`npm run build\` first`)
    return 1
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.error(`test:${which} skipped: qemu-user runs on Linux, and the compilers on x86-64`)
    return UNAVAILABLE
  }
  const wanted = ({ name }) => words.length === 0 || words.some((word) => name.includes(word))
  const until = Date.now() + minutes * 60_000
  const emulator = await import('./emulator.mjs')
  try {
    const results = await (which === 'arm64' ? testArm : testX64)(wanted, until, emulator)
    const count = (kind) => results.filter((result) => result === kind).length
    console.log(`test:${which}: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`)
    return count('failed') > 0 ? 1 : count('passed') > 0 ? 0 : UNAVAILABLE
  } catch (error) {
    if (!(error instanceof emulator.Unavailable)) throw error
    console.error(`test:${which} skipped: ${error.message}`)
    return UNAVAILABLE
  }
}

process.exitCode = await main()
