/**
 * Native code is kept by function: what another net made is not compiled again, files are compiled side by side, and what
 * fails, is damaged or is ended takes nothing else with it.
 */
import assert from 'node:assert/strict'
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { abi, type CSource, makePlan, nativeTarget, packProgram, renderC } from '../../src/compiler/index.js'
import { intoFiles, type Part } from '../../src/device/cpu/native/files.js'
import { loadFunctions } from '../../src/device/cpu/native/library.node.js'
import { cacheSize, prune } from '../../src/device/cpu/native/cache.node.js'
import type { NativeService } from '../../src/device/cpu/native/service.node.js'
import type { Built, BuiltPart } from '../../src/device/cpu/native/types.js'
import { nn } from '../../src/nn/index.js'
import { zeros } from '../../src/tensor/index.js'
import { orderOf } from '../conformance/runPlan.js'
import {
  countLines,
  endless,
  hangMs,
  kernelsIn,
  scratch,
  serviceFor,
  wasEnded,
  whyNoCompiler,
  withEnv,
  wrapper,
} from './nativeTools.js'

const skip = whyNoCompiler()

const head = `#include <stdint.h>\nconst uint32_t lenet_abi = ${abi};`
/** A function that gives a number; `length` makes its text long. */
const partOf = (value: number | string, length = 0): string =>
  `int NAME(void) { return ${value}; } /*${'x'.repeat(length)}*/`
const sourceOf = (...values: (number | string)[]): CSource[] => [{ head, parts: values.map((value) => partOf(value)) }]

/** A compiler that notes in `log` what it is called for. */
const counting = (folder: string): { env: ReturnType<typeof withEnv>; count: () => number } => {
  const log = join(folder, 'log')
  return {
    env: withEnv({ CC: wrapper(join(folder, 'counting'), `echo run >> '${log}'`) }),
    count: () => countLines(log),
  }
}

function builtAll(service: NativeService, sources: readonly CSource[]): Built {
  const result = service.build(sources).wait()
  if ('error' in result) throw new Error(result.error)
  return result
}

const libraries = (parts: readonly BuiltPart[]): number => new Set(parts.map(({ path }) => path)).size

describe('functions in the cache', { skip }, () => {
  test('what is known is not compiled again, in whatever order or company it is asked for', (t) => {
    const folder = scratch(t)
    const { env, count } = counting(folder)
    const service = serviceFor(t, join(folder, 'native'), { env })
    const first = builtAll(service, sourceOf(1, 2, 3))
    assert.equal(first.cached, false)
    assert.equal(count(), 1)
    const [one, , three] = first.parts[0] ?? []
    const again = builtAll(serviceFor(t, join(folder, 'native'), { env }), sourceOf(3, 1, 3))
    assert.equal(again.cached, true)
    assert.deepEqual(
      again.parts[0]?.map(({ name }) => name),
      [three, one, three].map((part) => part?.name),
    )
    assert.equal(count(), 1)
    const more = builtAll(service, sourceOf(2, 4))
    assert.equal(more.cached, false)
    assert.equal(count(), 2)
    assert.equal(libraries(more.parts[0] ?? []), 2)
    // another head is another function
    assert.equal(builtAll(service, [{ head: `${head}\n`, parts: [partOf(1)] }]).cached, false)
  })

  test('addresses are those of the functions, of several libraries', (t) => {
    const service = serviceFor(t, join(scratch(t), 'native'))
    builtAll(service, sourceOf(1, 2))
    const [parts = []] = builtAll(service, sourceOf(1, 2, 3, 4, 3)).parts
    const found = loadFunctions(parts)
    assert.ok(!('error' in found))
    assert.equal(new Set(found).size, 4)
    assert.equal(found[2], found[4])
    assert.ok(found.every((address) => address > 0n))
    const [missing] = parts
    assert.ok(missing)
    assert.match(JSON.stringify(loadFunctions([{ ...missing, name: 'k_none' }])), /cannot be called: .*k_none/)
  })

  test('functions of one library are one file of several names', (t) => {
    const folder = join(scratch(t), 'native')
    const service = serviceFor(t, folder)
    service.wait()
    const before = cacheSize(folder)
    const [parts = []] = builtAll(service, sourceOf(1, 2, 3)).parts
    const { entries, bytes } = cacheSize(folder)
    assert.equal(entries, before.entries + 3)
    assert.equal(bytes, before.bytes + statSync(parts[0]?.path ?? '').size)
    const keys = new Set(parts.slice(0, 1).map(({ path }) => basename(path).slice(0, 64)))
    prune(folder, 0, keys)
    assert.equal(readdirSync(folder).length, 1)
    assert.equal(builtAll(service, sourceOf(1)).cached, true)
    assert.equal(builtAll(service, sourceOf(1, 2)).cached, false)
  })

  test('an entry of another function, a cut one and an empty one are compiled anew, the others stay', (t) => {
    const folder = join(scratch(t), 'native')
    const service = serviceFor(t, folder)
    const { parts } = builtAll(service, sourceOf(1))
    builtAll(service, sourceOf(2))
    const keyIn = (name: string): string => name.slice(0, 64)
    const one = basename(parts[0]?.[0]?.path ?? '')
    const other = kernelsIn(folder).find((name) => name !== one) ?? ''
    const replace = (bytes: Uint8Array): void => {
      rmSync(join(folder, one))
      writeFileSync(join(folder, one), bytes, { mode: 0o700 })
    }
    const bytes = readFileSync(join(folder, one))
    const damages = [
      () => replace(bytes.subarray(0, bytes.length >> 1)),
      () => replace(new Uint8Array()),
      () => {
        rmSync(join(folder, one))
        // sound, but not what its key says
        copyFileSync(join(folder, other), join(folder, keyIn(one) + other.slice(64)))
      },
    ]
    for (const damage of damages) {
      damage()
      assert.equal(builtAll(service, sourceOf(2)).cached, true)
      const again = builtAll(service, sourceOf(1, 2))
      assert.equal(again.cached, false)
      assert.ok(!('error' in loadFunctions(again.parts[0] ?? [])))
      assert.equal(builtAll(service, sourceOf(1, 2)).cached, true)
    }
  })

  test('two builds at once make what both want once', (t) => {
    const folder = scratch(t)
    const { env, count } = counting(folder)
    const service = serviceFor(t, join(folder, 'native'), { env })
    const builds = [sourceOf(1, 2), sourceOf(2, 1), sourceOf(1)].map((source) => service.build(source))
    for (const build of builds) assert.ok('parts' in build.wait())
    assert.equal(count(), 1)
  })
})

describe('files side by side', { skip }, () => {
  /** So long that they come into as many files. */
  const long = (...values: (number | string)[]): CSource[] => [
    { head, parts: values.map((value) => partOf(value, 79_000)) },
  ]

  test('one function that does not compile is the error; the others are kept', (t) => {
    const folder = scratch(t)
    const { env, count } = counting(folder)
    const service = serviceFor(t, join(folder, 'native'), { env })
    const result = service.build(long(1, 'nonsense', 3, 4)).wait()
    assert.match('error' in result ? result.error : '', /cannot compile the kernels: .*nonsense/)
    assert.equal(count(), 4)
    assert.equal(builtAll(service, long(1, 3, 4)).cached, true)
    assert.equal(count(), 4)
    assert.deepEqual(
      readdirSync(join(folder, 'native')).filter((name) => !name.endsWith('.so')),
      [],
    )
  })

  test('as many compilers run as there are cores, and closing ends them all and leaves nothing', async (t) => {
    const folder = scratch(t)
    // each call a file of its own
    const CC = wrapper(join(folder, 'slow'), `pids='${folder}'/pids-$$\n${endless('$pids').replaceAll("'", '"')}`)
    const service = serviceFor(t, join(folder, 'native'), { env: withEnv({ CC }) })
    const build = service.build(long(...Array.from({ length: 40 }, (_, i) => i)))
    const started = (): string[] => readdirSync(folder).filter((name) => /^pids-\d+$/.test(name))
    const wanted = Math.min(availableParallelism(), 16)
    for (let waited = 0; started().length < wanted && waited < hangMs; waited += 50)
      await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(started().length, wanted)
    await service.stop()
    for (const name of started()) assert.equal(wasEnded(join(folder, name)), true)
    assert.equal(started().length, wanted)
    assert.ok('error' in build.wait())
    assert.deepEqual(kernelsIn(join(folder, 'native')), [])
  })
})

describe('a net', { skip }, () => {
  function planOf(layers: number): ReturnType<typeof makePlan>['program'] {
    const net = new nn.Sequential(
      ...Array.from({ length: layers }, () => [new nn.Conv2d(4, 4, 3, { padding: 1 }), new nn.ReLU()]).flat(),
    )
    net
      .forward(zeros([16, 4, 6, 6]))
      .sum()
      .backward()
    const targets = [...net.parameters()].flatMap(({ grad }) => (grad ? [grad.node] : []))
    return makePlan(orderOf(targets), targets, nativeTarget(4, 32)).program
  }

  test('of known shapes is compiled by nobody', (t) => {
    const folder = scratch(t)
    const { env, count } = counting(folder)
    const build = (layers: number): Built => {
      const { kernels, step } = renderC(planOf(layers))
      return builtAll(serviceFor(t, join(folder, 'native'), { env }), [kernels, step])
    }
    assert.equal(build(4).cached, false)
    const calls = count()
    assert.equal(build(8).cached, true)
    assert.equal(count(), calls)
  })

  test('is one table for all threads', () => {
    const program = planOf(4)
    const table = packProgram(
      program,
      program.kernels.map((_, i) => BigInt(i + 1) << 33n),
    )
    assert.ok(table.buffer instanceof SharedArrayBuffer)
    const words = new Uint32Array(table.buffer)
    assert.equal(words[2], program.kernels.length)
    const at = words[6 + 6 * 2 + 2] ?? 0
    assert.deepEqual([...words.subarray(at, at + (program.slots[2]?.length ?? 0))], program.slots[2])
    assert.equal(new DataView(table.buffer).getBigUint64(4 * (6 + 6 * 2), true), 3n << 33n)
  })
})

describe('files of functions', () => {
  const partsOf = (...lengths: number[]): Part[] =>
    lengths.map((length, i) => ({ key: `${i}`, name: `k${i}`, head: 'h', text: 'x'.repeat(length) }))
  const lengths = (files: readonly (readonly Part[])[]): number[] =>
    files.map((parts) => parts.reduce((sum, { text }) => sum + text.length, 0))

  test('few small ones are one file, many as many as there are compilers, more where they are long', () => {
    assert.deepEqual(lengths(intoFiles(partsOf(100, 200, 300), 8)), [600])
    assert.deepEqual(lengths(intoFiles(partsOf(...Array<number>(8).fill(5000)), 2)), [20_000, 20_000])
    assert.equal(intoFiles(partsOf(...Array<number>(100).fill(5000)), 2).length, 7)
    assert.deepEqual(intoFiles([], 4), [])
  })

  test('each function is in one file, with those of its head', () => {
    const parts = [...partsOf(60_000, 1, 2, 60_000), { ...partsOf(5)[0]!, head: 'other' }]
    const files = intoFiles(parts, 2)
    assert.equal(files.flat().length, 5)
    assert.deepEqual(new Set(files.flat()), new Set(parts))
    for (const file of files) assert.equal(new Set(file.map((part) => part.head)).size, 1)
  })
})
