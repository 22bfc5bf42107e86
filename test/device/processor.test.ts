/**
 * For which processor code is made: compilers that answer for another one, that do not know 'native', that are no compilers
 * of ours. Stand-ins for compilers and processors; what real ones of other kinds do: scripts/test-processors.mjs.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { lackingFeatures, type Words } from '../../src/device/cpu/native/processor.node.js'
import { findToolchain, type Machine, type Toolchain } from '../../src/device/cpu/native/toolchain.node.js'
import { infoOf, scratch, script, serviceFor, whyNoCompiler, withEnv } from './nativeTools.js'

/** As the library gave them on an EPYC with AVX-512 and in qemu 7.2's models of older processors; on ARM by hwcap.h. */
const words = {
  epyc: Uint32Array.of(0xfffa3203, 0xf1bf07ab, 0x405fc6, 0x10, 0x20, 0, 0x4003f3, 0xe7),
  haswell: Uint32Array.of(0xfed83203, 0x3a9, 0, 0, 0, 0, 0x21, 0x7),
  sandyBridge: Uint32Array.of(0x9e982203, 0, 0, 0, 0, 0, 0x1, 0x7),
  nehalem: Uint32Array.of(0x80982201, 0, 0, 0, 0, 0, 0x1, 0),
  /** Floating point and NEON, CRC32, atomics. */
  cortexA72: Uint32Array.of(0x3, 0, 0, 0, 0, 0, 0, 0),
  /** And half precision, dot products, SVE. */
  neoverseV1: Uint32Array.of(0x3 | (1 << 7) | (1 << 8) | (1 << 10) | (1 << 20) | (1 << 22), 0, 0, 0, 0, 0, 0, 0),
  silent: new Uint32Array(8),
} satisfies Record<string, Words>

/** Macros of gcc with -march=haswell and what -march=x86-64-v4 adds, so far as features go. */
const ofHaswell = 'SSE3 SSSE3 SSE4_1 SSE4_2 MOVBE POPCNT AVX F16C FMA AVX2 BMI BMI2 LZCNT'.split(' ')
const ofV4 = [...ofHaswell, ...'AVX512F AVX512CD AVX512BW AVX512DQ AVX512VL'.split(' ')]
const macrosOf = (names: readonly string[]): string[] => names.map((name) => `__${name}__`)

const lacking = (arch: string, macros: readonly string[], found: Words): string[] =>
  lackingFeatures(arch, new Set(macros), found)

test('what code needs and a processor lacks', () => {
  const v4 = macrosOf(ofV4)
  assert.deepEqual(lacking('x64', v4, words.epyc), [])
  assert.deepEqual(lacking('x64', v4, words.haswell), ['avx512f', 'avx512dq', 'avx512cd', 'avx512bw', 'avx512vl'])
  assert.deepEqual(lacking('x64', macrosOf(ofHaswell), words.haswell), [])
  assert.deepEqual(lacking('x64', macrosOf(ofHaswell), words.sandyBridge).toSorted(), [
    'avx2',
    'bmi',
    'bmi2',
    'f16c',
    'fma',
    'lzcnt',
    'movbe',
  ])
  assert.ok(lacking('x64', macrosOf(['AVX', 'SSE4_2']), words.nehalem).join() === 'avx')
  assert.deepEqual(lacking('arm64', ['__ARM_NEON', '__ARM_FEATURE_SVE'], words.cortexA72), ['sve'])
  assert.deepEqual(lacking('arm64', ['__ARM_NEON', '__ARM_FEATURE_SVE'], words.neoverseV1), [])
  assert.deepEqual(lacking('riscv64', ['__riscv'], words.epyc), [])
})

test('registers that the system does not keep are as good as not there', () => {
  const noState = words.epyc.with(7, 0x07)
  assert.deepEqual(lacking('x64', macrosOf(['AVX2', 'AVX512F']), noState), ['avx512f'])
  assert.deepEqual(lacking('x64', macrosOf(['SSE4_2', 'AVX2', 'FMA']), words.epyc.with(7, 0x03)), ['fma', 'avx2'])
})

test('a system that does not tell is believed to run what its compiler makes', () => {
  assert.deepEqual(lacking('arm64', ['__ARM_NEON', '__ARM_FEATURE_SVE'], words.silent), [])
})

test('this processor says of itself what Linux says of it', { skip: whyNot() }, (t) => {
  const { features, notices } = infoOf(serviceFor(t, join(scratch(t), 'native'), { env: withEnv({}) }))
  assert.deepEqual(notices, [])
  const flags = /^(?:flags|Features)\s*:(?<names>.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.groups?.['names']
  const told = new Set(flags?.trim().split(' '))
  const linux = (name: string): string => (name === 'neon' ? 'asimd' : name)
  assert.ok(
    features.every((feature) => told.has(linux(feature))),
    features.join(),
  )
})

function whyNot(): string | false {
  return whyNoCompiler() || (!existsSync('/proc/cpuinfo') && 'the system keeps no /proc/cpuinfo')
}

/** An answer to questions: for flags (a pattern of sh) these macros; nothing else is known. */
type Answers = readonly (readonly [flags: string, macros: readonly string[]])[]

const gcc = ['__linux__', '__VERSION__ "12.2.0"']
const x64 = [...gcc, '__x86_64__']
const arm64 = [...gcc, '__aarch64__', '__ARM_NEON']

function compiler(path: string, answers: Answers): string {
  const cases = answers.map(([flags, macros]) => {
    const lines = macros.map((macro) => `echo '#define ${macro.includes(' ') ? macro : `${macro} 1`}'`)
    return `${flags}) ${lines.join('; ')};;`
  })
  return script(path, `case "$*" in ${cases.join('\n')}\n*) echo "error: unknown flags" >&2; exit 1;; esac`)
}

const machine = (arch: string, found: Words | string, platform = 'linux'): Machine => ({
  platform,
  arch,
  ask: () => Promise.resolve(found),
})

const gate = { enter: (): boolean => true, running: (): void => {}, leave: (): void => {} }

async function reply(env: Readonly<Record<string, string>>, on: Machine): Promise<Toolchain | string> {
  const found = await findToolchain(env, gate, on)
  return 'reason' in found ? found.reason : found
}

/** What is found where the only compiler is this one. */
async function findOnly(t: TestContext, answers: Answers, on: Machine): Promise<Toolchain | string> {
  return reply({ CC: compiler(join(scratch(t), 'fake-cc'), answers), PATH: '' }, on)
}

function targetOf(found: Toolchain | string): readonly string[] {
  assert.ok(typeof found !== 'string', String(found))
  return found.flags.filter((flag) => flag.startsWith('-m'))
}

describe('flags of the processor', { skip: process.platform === 'win32' && 'the stand-ins are shell scripts' }, () => {
  const fromAfar: Answers = [
    ['*-march=native*', [...x64, ...macrosOf(ofV4)]],
    ['*-mavx512f*', [...x64, ...macrosOf(ofV4)]],
    ['*"-mavx2 -mfma"*', [...x64, ...macrosOf(['AVX', 'AVX2', 'FMA'])]],
    ['*-mfma*', [...x64, ...macrosOf(['AVX', 'FMA'])]],
    ['*', x64],
  ]

  test('native is taken where this processor has all that it means', async (t) => {
    const found = await findOnly(t, fromAfar, machine('x64', words.epyc))
    assert.deepEqual(targetOf(found), ['-march=native', '-mprefer-vector-width=512'])
    assert.ok(typeof found !== 'string' && found.lanes === 16 && found.notices.length === 0)
  })

  test('native that means another processor: what this one has is named, and the user is told', async (t) => {
    const found = await findOnly(t, fromAfar, machine('x64', words.haswell))
    assert.deepEqual(targetOf(found), ['-mavx2', '-mfma'])
    assert.ok(typeof found !== 'string')
    assert.deepEqual([found.lanes, found.features], [8, ['avx2', 'fma']])
    assert.match(
      found.notices.join('\n'),
      /fake-cc: -march=native makes code for another processor than this one, which lacks avx512f, avx512dq, avx512cd and 2 more: -mavx2 -mfma is used$/,
    )
    const bulldozer = words.sandyBridge.with(0, words.sandyBridge[0]! | (1 << 12))
    const narrow = await findOnly(t, fromAfar, machine('x64', bulldozer))
    assert.deepEqual(targetOf(narrow), ['-mfma'])
    assert.ok(typeof narrow !== 'string' && narrow.lanes === 4)
  })

  test('a server with a newer AVX-512: that of this processor is named', async (t) => {
    const newer: Answers = [['*-march=native*', [...x64, ...macrosOf([...ofV4, 'AVX512FP16'])]], ...fromAfar.slice(1)]
    const found = await findOnly(t, newer, machine('x64', words.epyc))
    assert.ok(typeof found !== 'string')
    assert.deepEqual([found.lanes, targetOf(found)[0]], [16, '-mavx512f'])
  })

  test('without fused multiply-add there is no native code, and one line says so', async (t) => {
    const found = await findOnly(t, fromAfar, machine('x64', words.nehalem))
    assert.match(String(found), /^no usable C compiler \(CC='.*fake-cc': this processor has no fused multiply-add\)$/)
  })

  test('flags of the user for another processor are refused', async (t) => {
    const CC = compiler(join(scratch(t), 'fake-cc'), [['*-mavx512f*', [...x64, ...macrosOf(ofV4)]]])
    const found = await reply({ CC, PATH: '', LENET_CFLAGS: '-mavx512f' }, machine('x64', words.haswell))
    assert.match(String(found), /fake-cc': its code needs avx512f, avx512dq, avx512cd and 2 more, which this processor/)
  })

  test('clang on ARM knows -mcpu=native only; SVE is left alone', async (t) => {
    const clang = ['__linux__', '__clang__ 1', '__clang_version__ "14.0.6 "', '__aarch64__', '__ARM_NEON']
    const answers: Answers = [['*-mcpu=native*', [...clang, '__ARM_FEATURE_SVE']]]
    const found = await findOnly(t, answers, machine('arm64', words.neoverseV1))
    assert.deepEqual(targetOf(found), ['-mcpu=native'])
    assert.ok(typeof found !== 'string')
    assert.deepEqual([found.version, found.lanes, found.features], ['clang 14.0.6', 4, ['neon', 'sve']])
  })

  test('a cross compiler for ARM knows no native: NEON needs no flag', async (t) => {
    const answers: Answers = [
      ['*native*|*-mavx*|*-mfma*', []],
      ['*', arm64],
    ]
    const found = await findOnly(t, answers, machine('arm64', words.cortexA72))
    assert.deepEqual(targetOf(found), [])
    assert.ok(typeof found !== 'string' && found.lanes === 4)
  })

  test('native of an ARM server with SVE, on one without', async (t) => {
    const answers: Answers = [
      ['*native*', [...arm64, '__ARM_FEATURE_SVE']],
      ['*', arm64],
    ]
    const found = await findOnly(t, answers, machine('arm64', words.cortexA72))
    assert.deepEqual(targetOf(found), [])
    assert.match(typeof found === 'string' ? found : found.notices.join(), /which lacks sve: no such flag is used$/)
  })
})

describe('compilers that are none for us', { skip: process.platform === 'win32' && 'shell scripts' }, () => {
  test('for another processor or system', async (t) => {
    const armOnly = await findOnly(t, [['*', arm64]], machine('x64', words.epyc))
    assert.match(String(armOnly), /fake-cc': it compiles for another processor than x64\)$/)
    const mingw = ['__VERSION__ "12"', '__x86_64__', '_WIN32', ...macrosOf(ofHaswell)]
    const windows = await findOnly(t, [['*', mingw]], machine('x64', words.epyc))
    assert.match(String(windows), /it compiles for another system than linux/)
  })

  test("Microsoft's cl", async (t) => {
    const banner = 'Microsoft (R) C/C++ Optimizing Compiler Version 19.39.33523 for x64'
    const CC = script(
      join(scratch(t), 'cl'),
      `echo '${banner}' >&2; echo 'D9002 : ignoring unknown option' >&2; exit 2`,
    )
    const found = await reply({ CC, PATH: '' }, machine('x64', words.epyc, 'win32'))
    assert.match(
      String(found),
      /cl': Microsoft's cl lacks the vectors of gcc and clang, which kernels are written in\)$/,
    )
  })

  test('one that makes no library: the next is tried', async (t) => {
    const folder = scratch(t)
    const answers: Answers = [['*', [...x64, ...macrosOf(ofHaswell)]]]
    compiler(join(folder, 'cc'), answers)
    compiler(join(folder, 'zig'), answers)
    const on: Machine = {
      ...machine('x64', words.epyc),
      ask: ({ command }) => Promise.resolve(command === 'zig cc' ? words.epyc : 'it makes no library: no headers'),
    }
    const found = await reply({ PATH: folder }, on)
    assert.ok(typeof found !== 'string')
    assert.deepEqual([found.command, found.prefix], ['zig cc', ['cc']])
    assert.match(
      String(await reply({ PATH: folder }, { ...on, ask: () => Promise.resolve('no headers') })),
      /cc: no headers; zig cc: no headers/,
    )
  })
})

test('a compiler without headers or linker is told before anything is rendered', { skip: whyNoCompiler() }, (t) => {
  const CC = script(
    join(scratch(t), 'bare-cc'),
    `case " $* " in *" -E "*) exec cc "$@";; esac\necho 'ld: not found' >&2; exit 1`,
  )
  const env = withEnv({ CC, PATH: '' })
  const found = serviceFor(t, join(scratch(t), 'native'), { env: { ...env, PATH: process.env['PATH'] } }).wait()
  assert.ok(!('reason' in found))
  assert.match(
    found.refused ?? '',
    /bare-cc' cannot be used: it makes no library that can be used here: it ended with code 1: ld/,
  )
})

describe('WebAssembly on a processor of long ago', { skip: process.arch !== 'x64' && 'switches of x64' }, () => {
  const index = JSON.stringify(new URL('../../src/tensor/index.js', import.meta.url).href)
  const code = `const { device, tensor } = await import(${index})
    const { name, notices } = device()
    console.log(JSON.stringify([name, tensor([1, 2, 3]).mul(2).sum().item(), ...notices]))`
  const told = (flag: string): unknown[] =>
    JSON.parse(spawnSync(process.execPath, [flag, '--input-type=module', '-e', code]).stdout.toString()) as unknown[]

  test('without fused multiply-add it says so', () => {
    const line = 'WebAssembly has no fused multiply-add here: last bits differ from machines that have it'
    assert.deepEqual(told('--no-enable-fma3'), ['wasm', 12, line])
  })

  test("without SIMD 'auto' begins with the interpreter, and says so", () => {
    const [name, value, ...notices] = told('--no-enable-sse4-1')
    assert.deepEqual([name, value], ['interp', 12])
    assert.match(notices.join('\n'), /WebAssembly has no SIMD.*: the interpreter computes/)
  })
})
