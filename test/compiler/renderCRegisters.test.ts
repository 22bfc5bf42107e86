/**
 * What C compilers make of rendered kernels: in the loops of LeNet's and LeNet1's training, sums stay in registers, and so
 * do the rows of a transposition. Read in the assembly of every compiler that is here; nothing is run or timed.
 * For 512-bit vectors of x86-64, which no processor need have. What it costs where it fails: docs/decisions/0013-clang.md.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { fileOf, makePlan, nativeTarget, renderC } from '../../src/compiler/index.js'
import { LeNet, LeNet1 } from '../../src/models/index.js'
import { nn } from '../../src/nn/index.js'
import { tensor, zeros } from '../../src/tensor/index.js'
import { orderOf } from '../conformance/runPlan.js'
import { isX86 } from './c/harness.js'

const NAMES = [process.env['CC'], 'cc', 'gcc', 'clang']
const FLAGS = [
  '-march=x86-64-v4',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fwrapv',
  '-fPIC',
  '-S',
  '-x',
  'c',
  '-o',
  '-',
  '-',
]
/** zig's -O3 is clang's -O2, and some processors are taken for faster at 256 bits. */
const LEVELS = [['-O3'], ['-O2', '-mprefer-vector-width=256']]

function assemble(compiler: string, flags: readonly string[], input: string): string | null {
  try {
    return execFileSync(compiler, [...flags, ...FLAGS], { input, encoding: 'utf8', stdio: 'pipe', maxBuffer: 1e8 })
  } catch {
    return null
  }
}

/** Those that know the processor, each once. */
function findCompilers(): string[] {
  const found = new Map<string, string>()
  for (const name of NAMES) {
    const answer = name === undefined ? null : assemble(name, [], '')
    const ident = answer === null ? undefined : (/\.ident\s+(?<text>.*)/.exec(answer)?.groups?.['text'] ?? name)
    if (name !== undefined && ident !== undefined && !found.has(ident)) found.set(ident, name)
  }
  return [...found.values()]
}

/** A whole step but for the optimizer. */
function sourceOf(Net: typeof LeNet | typeof LeNet1): string {
  const net = new Net(3, 10)
  const loss = new nn.CrossEntropyLoss()(net(zeros([32, 3, 32, 32])), tensor(new Int32Array(32)))
  loss.backward()
  const targets = [loss, ...[...net.parameters()].flatMap(({ grad }) => (grad ? [grad] : []))].map(({ node }) => node)
  const { program } = makePlan(orderOf(targets), targets, nativeTarget(16, 32))
  const { kernels } = renderC(program)
  const names = [...new Set(program.kernels)].map(({ name }, i) => `k${i}_${name.replaceAll(/\W+/g, '_')}`)
  return fileOf(
    kernels.head,
    kernels.parts.map((text, i) => ({ name: names[i] ?? '', text })),
  )
}

interface Loop {
  /** The function's name. */
  readonly kernel: string
  readonly lines: readonly string[]
}

/** Loops that hold no other: from a label to a jump back to it with no jump back between. */
function innermostLoops(assembly: string): Loop[] {
  const loops: Loop[] = []
  const labels = new Map<string, number>()
  let [kernel, lastLoop] = ['', -1]
  const lines = assembly.split('\n')
  lines.forEach((line, i) => {
    const label = /^(?<name>[\w.$]+):/.exec(line)?.groups?.['name']
    if (label !== undefined) labels.set(label, i)
    if (label !== undefined && !/^\.?L/.test(label)) kernel = label
    const from = labels.get(/^\s+j\w+\s+(?<to>[\w.$]+)/.exec(line)?.groups?.['to'] ?? '')
    if (from === undefined) return
    if (from > lastLoop) loops.push({ kernel, lines: lines.slice(from, i + 1) })
    lastLoop = i
  })
  return loops
}

const onStack = (line: string): boolean => /[xyz]mm\d/.test(line) && /\(%r[sb]p\)/.test(line)

/** Where vectors go to the stack and come back, and how many loops were looked at. */
function spillsIn(loops: readonly Loop[]): { spills: string[]; looked: number } {
  const busy = loops.filter(
    ({ kernel, lines }) => /Rows|to_rows/.test(kernel) || lines.some((line) => /fmadd/.test(line)),
  )
  return {
    spills: busy.flatMap(({ kernel, lines }) => lines.filter(onStack).map((line) => `${kernel}: ${line.trim()}`)),
    looked: busy.length,
  }
}

const compilers = isX86 ? findCompilers() : []

describe('sums stay in registers', { skip: compilers.length === 0 && 'no compiler here knows x86-64-v4' }, () => {
  for (const Net of [LeNet, LeNet1]) {
    const source = sourceOf(Net)
    for (const compiler of compilers)
      for (const level of LEVELS)
        test(`${Net.name}: ${compiler} ${level.join(' ')}`, () => {
          const assembly = assemble(compiler, level, source)
          assert.ok(assembly !== null, 'it does not compile')
          const { spills, looked } = spillsIn(innermostLoops(assembly))
          assert.ok(looked > 30, `only ${looked} loops found`)
          assert.deepEqual(spills, [])
        })
  }
})
