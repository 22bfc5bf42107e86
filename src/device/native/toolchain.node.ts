/**
 * Looks for a C compiler and asks it what this processor can do.
 * Not here: compiling kernels (build) and where they are kept (cache). Used in the compile worker only.
 */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { findProgram, splitWords } from '../../base/programs.node.js'
import { firstLine, type Gate, runCompiler } from './process.node.js'
import type { NoToolchain } from './types.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** A compiler that answered. */
export interface Toolchain {
  readonly command: string
  readonly path: string
  readonly prefix: readonly string[]
  readonly version: string
  readonly features: readonly string[]
  readonly lanes: 4 | 8 | 16
  readonly flags: readonly string[]
  readonly notices: readonly string[]
  readonly refused?: string
  /** SHA-256 of all that decides what a source becomes: the compiler, its flags and every macro it defines. */
  readonly identity: string
}

interface Candidate {
  readonly command: string
  readonly path: string
  readonly prefix: readonly string[]
}

type Macros = ReadonlyMap<string, string>
/** What takes gcc's options and is not clang counts as gcc. */
type CompilerName = 'clang' | 'gcc'

/** One probe takes some ten milliseconds; more than this is a program that hangs. */
const PROBE_LIMIT_MS = 10_000
const DEFAULT_LIMIT_S = 120

/** Every rounding of a kernel is spelled out, so the compiler may fuse and reorder nothing. */
const FLAGS = ['-O3', '-ffp-contract=off', '-fno-math-errno', '-fwrapv', '-fno-strict-aliasing']
/** Which of them a compiler knows depends on it and on the processor: the first set it takes is used. */
const TARGETS = [['-march=native', '-mprefer-vector-width=512'], ['-march=native'], ['-mcpu=native'], []]
/** gcc's PRE takes every address of a long loop out of it and then spills them: decision 13. */
const OWN_FLAGS: Readonly<Record<CompilerName, readonly string[]>> = { clang: [], gcc: ['-fno-tree-pre'] }

const FEATURES: Readonly<Record<string, string>> = {
  __AVX512F__: 'avx512f',
  __AVX2__: 'avx2',
  __FMA__: 'fma',
  __ARM_NEON: 'neon',
  __ARM_FEATURE_SVE: 'sve',
}

/** node's name of a processor → the macro of a compiler for it. */
const PROCESSORS: Readonly<Record<string, string>> = { x64: '__x86_64__', arm64: '__aarch64__', ia32: '__i386__' }

/** Seconds in LENET_CC_TIMEOUT, 120 without it. */
export function compileLimitMs(env: Environment): number {
  const seconds = Number(env['LENET_CC_TIMEOUT'] ?? '')
  return 1000 * (seconds > 0 && seconds < 1e6 ? seconds : DEFAULT_LIMIT_S)
}

/** CC, then cc, clang, gcc and zig: the first that makes code with fused multiply-add for this processor. */
export async function findToolchain(env: Environment, gate: Gate): Promise<Toolchain | NoToolchain> {
  const notices = limitNotices(env)
  const reasons: string[] = []
  let refused: string | undefined
  const chosen = env['CC']?.trim() ?? ''
  if (chosen !== '') {
    const found = await tryCandidate(chosenCandidate(chosen, env), env, gate)
    if (typeof found !== 'string') return { ...found, notices }
    refused = `CC='${chosen}' cannot be used: ${found}`
    notices.push(`${refused}; cc, clang, gcc and zig are tried instead`)
    reasons.push(`CC='${chosen}': ${found}`)
  }
  for (const candidate of usualCandidates(env)) {
    const found = await tryCandidate(candidate, env, gate)
    if (typeof found !== 'string') return { ...found, notices, ...(refused === undefined ? {} : { refused }) }
    reasons.push(`${candidate.command}: ${found}`)
  }
  if (reasons.length > 0) return { reason: `no usable C compiler (${reasons.join('; ')})` }
  return { reason: 'no C compiler was found (CC is not set; no cc, clang, gcc or zig in PATH): install one, or set CC' }
}

function limitNotices(env: Environment): string[] {
  const text = env['LENET_CC_TIMEOUT']
  if (text === undefined || text === '' || compileLimitMs(env) === 1000 * Number(text)) return []
  return [`LENET_CC_TIMEOUT='${text}' is no number of seconds: ${DEFAULT_LIMIT_S} is used`]
}

/** @returns a string that says what is wrong with it, where something is */
function chosenCandidate(text: string, env: Environment): Candidate | string {
  const whole = findProgram(text, env)
  if (whole !== undefined) return { command: text, path: whole, prefix: [] }
  const [name = '', ...prefix] = splitWords(text)
  const path = findProgram(name, env)
  return path === undefined ? `there is no program '${name}'` : { command: text, path, prefix }
}

function usualCandidates(env: Environment): Candidate[] {
  const names = [['cc'], ['clang'], ['gcc'], ['zig', 'cc']]
  const found = new Map<string, Candidate>()
  for (const [name = '', ...prefix] of names) {
    const path = findProgram(name, env)
    if (path === undefined || isEmptyStub(path)) continue
    // cc is mostly a link to one of the others, which need not be asked twice.
    const real = realpathSync(path)
    if (!found.has(real)) found.set(real, { command: [name, ...prefix].join(' '), path, prefix })
  }
  return [...found.values()]
}

/** macOS without its developer tools has a cc that only opens a window. */
function isEmptyStub(path: string): boolean {
  if (process.platform !== 'darwin' || !path.startsWith('/usr/bin/')) return false
  return !existsSync('/Library/Developer/CommandLineTools') && !existsSync('/Applications/Xcode.app')
}

/** @returns a string that says why it cannot be used, where it cannot */
async function tryCandidate(candidate: Candidate | string, env: Environment, gate: Gate): Promise<Toolchain | string> {
  if (typeof candidate === 'string') return candidate
  const own = splitWords(env['LENET_CFLAGS'] ?? '')
  let problem = ''
  for (const target of TARGETS) {
    const flags = [...FLAGS, ...(process.platform === 'win32' ? [] : ['-fPIC']), ...target, ...own]
    const answer = await probe(candidate, flags, env, gate)
    if (typeof answer === 'object') return toolchainOf(candidate, flags, answer)
    // Later sets only drop flags, so what the first complains about is told; one that hangs is asked no more.
    if (problem === '') problem = answer
    if (answer.startsWith('it hangs')) break
  }
  return problem
}

async function probe(
  candidate: Candidate,
  flags: readonly string[],
  env: Environment,
  gate: Gate,
): Promise<Macros | string> {
  const limitMs = Math.min(PROBE_LIMIT_MS, compileLimitMs(env))
  const args = [...candidate.prefix, ...flags, '-dM', '-E', '-x', 'c', '-']
  const outcome = await runCompiler({ path: candidate.path, args, input: '', env, limitMs, niceness: 0, gate })
  if (outcome.kind === 'late') return `it hangs (no answer within ${limitMs / 1000} s)`
  if (outcome.kind === 'failed') return outcome.message
  if (outcome.code !== 0) {
    const line = firstLine(outcome.stderr)
    return `it ended with code ${outcome.code}${line === '' ? '' : `: ${line}`}`
  }
  const macros = macrosOf(outcome.stdout)
  return macros.has('__VERSION__') || macros.has('__clang_version__')
    ? macros
    : 'it does not answer as a C compiler does'
}

function macrosOf(text: string): Macros {
  const found = text.matchAll(/^#define (?<name>\w+)(?: (?<value>.*))?$/gm)
  return new Map([...found].map(({ groups }) => [groups?.['name'] ?? '', groups?.['value']?.trim() ?? '']))
}

function toolchainOf(candidate: Candidate, tried: readonly string[], macros: Macros): Toolchain | string {
  const processor = PROCESSORS[process.arch]
  if (processor !== undefined && !macros.has(processor)) return `it compiles for another processor than ${process.arch}`
  const features = Object.entries(FEATURES).flatMap(([macro, feature]) => (macros.has(macro) ? [feature] : []))
  const has = (feature: string): boolean => features.includes(feature)
  if (!has('fma') && !has('neon')) return 'no fused multiply-add on this processor with these flags'
  const lanes = has('avx512f') ? 16 : has('avx2') ? 8 : 4
  const version = versionOf(macros)
  // First, so that the user's own have the last word.
  const flags = [...OWN_FLAGS[compilerOf(macros)], ...tried]
  const parts = [candidate.path, candidate.prefix, version, flags, [...macros].map((pair) => pair.join(' ')).toSorted()]
  const identity = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  return { ...candidate, version, features, lanes, flags, notices: [], identity }
}

const compilerOf = (macros: Macros): CompilerName => (macros.has('__clang__') ? 'clang' : 'gcc')

/** '"14.0.6 "' → 'clang 14.0.6'; a long text ends at its first bracket. */
function versionOf(macros: Macros): string {
  const text = macros.get('__clang_version__') ?? macros.get('__VERSION__') ?? ''
  return `${compilerOf(macros)} ${text.replaceAll('"', '').split('(')[0]?.trim() ?? ''}`
}
