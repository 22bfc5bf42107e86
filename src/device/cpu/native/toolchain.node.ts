/**
 * Looks for a C compiler and asks it what this processor can do.
 * Not here: compiling kernels (build) and where they are kept (cache). Used in the compile worker only.
 */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { findProgram, splitWords } from '../../../base/programs.node.js'
import { firstLine, type Gate, runCompiler } from './process.node.js'
import { lackingFeatures, type Words } from './processor.node.js'
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

/** A program that may be a compiler. */
export interface Candidate {
  readonly command: string
  readonly path: string
  readonly prefix: readonly string[]
}

/** What runs this process, and so the code that is made for it. */
export interface Machine {
  /** As node names them. */
  readonly platform: string
  readonly arch: string
  /** What the processor can do, by a library that the candidate makes; a string says why it makes none. */
  ask(candidate: Candidate): Promise<Words | string>
}

/** What a compiler is tried with. */
interface Trial {
  readonly env: Environment
  readonly gate: Gate
  readonly machine: Machine
}

type Macros = ReadonlyMap<string, string>
/** What takes gcc's options and is not clang counts as gcc. */
type CompilerName = 'clang' | 'gcc'

/** One probe takes some ten milliseconds; more than this is a program that hangs. */
const PROBE_LIMIT_MS = 10_000
const DEFAULT_LIMIT_S = 120

/** Every rounding of a kernel is spelled out, so the compiler may fuse and reorder nothing. */
const FLAGS = ['-O3', '-ffp-contract=off', '-fno-math-errno', '-fwrapv', '-fno-strict-aliasing']
/** gcc's PRE takes every address of a long loop out of it and then spills them: decision 13. */
const OWN_FLAGS: Readonly<Record<CompilerName, readonly string[]>> = { clang: [], gcc: ['-fno-tree-pre'] }
const WIDE = '-mprefer-vector-width=512'
/**
 * By node's name of the processor: the first set is used that the compiler takes and whose code this processor runs.
 * A compiler need not know 'native', and may mean another processor by it.
 */
const TARGETS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  x64: [
    ['-march=native', WIDE],
    ['-march=native'],
    ['-mavx512f', '-mavx512cd', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mfma', WIDE],
    ['-mavx2', '-mfma'],
    ['-mfma'],
    [],
  ],
  arm64: [['-mcpu=native'], ['-march=native'], []],
}
const OTHER_TARGETS = [['-march=native'], ['-mcpu=native'], []]

const FEATURES: Readonly<Record<string, string>> = {
  __AVX512F__: 'avx512f',
  __AVX2__: 'avx2',
  __FMA__: 'fma',
  __ARM_NEON: 'neon',
  __ARM_FEATURE_SVE: 'sve',
}

/** node's name of a processor or a system → the macro of a compiler for it. */
const PROCESSORS: Readonly<Record<string, string>> = { x64: '__x86_64__', arm64: '__aarch64__', ia32: '__i386__' }
const SYSTEMS: Readonly<Record<string, string>> = { linux: '__linux__', darwin: '__APPLE__', win32: '_WIN32' }

/** For a question that every compiler answers at once. */
export function probeLimitMs(env: Environment): number {
  return Math.min(PROBE_LIMIT_MS, compileLimitMs(env))
}

/** Seconds in LENET_CC_TIMEOUT, 120 without it. */
export function compileLimitMs(env: Environment): number {
  const seconds = Number(env['LENET_CC_TIMEOUT'] ?? '')
  return 1000 * (seconds > 0 && seconds < 1e6 ? seconds : DEFAULT_LIMIT_S)
}

/** CC, then cc, clang, gcc and zig: the first that makes code with fused multiply-add for this processor. */
export async function findToolchain(env: Environment, gate: Gate, machine: Machine): Promise<Toolchain | NoToolchain> {
  const trial: Trial = { env, gate, machine }
  const notices = limitNotices(env)
  const reasons: string[] = []
  let refused: string | undefined
  const chosen = env['CC']?.trim() ?? ''
  if (chosen !== '') {
    const found = await tryCandidate(chosenCandidate(chosen, env), trial)
    if (typeof found !== 'string') return { ...found, notices: [...notices, ...found.notices] }
    refused = `CC='${chosen}' cannot be used: ${found}`
    notices.push(`${refused}; cc, clang, gcc and zig are tried instead`)
    reasons.push(`CC='${chosen}': ${found}`)
  }
  for (const candidate of usualCandidates(env)) {
    const found = await tryCandidate(candidate, trial)
    if (typeof found !== 'string')
      return { ...found, notices: [...notices, ...found.notices], ...(refused === undefined ? {} : { refused }) }
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

/** Why a set of flags is not used. */
interface Refusal {
  readonly why: string
  /** What speaks against it: flags that the compiler does not know, the code that it makes with them, or the compiler. */
  readonly of: 'flags' | 'code' | 'compiler'
  /** What its code uses and this processor lacks. */
  readonly lacking?: readonly string[]
}

/** @returns a string that says why it cannot be used, where it cannot */
async function tryCandidate(candidate: Candidate | string, trial: Trial): Promise<Toolchain | string> {
  if (typeof candidate === 'string') return candidate
  const refusals: Refusal[] = []
  let notice: string | undefined
  for (const target of TARGETS[trial.machine.arch] ?? OTHER_TARGETS) {
    const found = await tryTarget(candidate, target, trial)
    if (!('why' in found))
      return {
        ...found,
        notices: notice === undefined ? [] : [`${notice}: ${target.join(' ') || 'no such flag'} is used`],
      }
    if (found.of === 'compiler') return found.why
    if (found.lacking) notice ??= elsewhere(candidate, target, found.lacking)
    refusals.push(found)
  }
  // Later sets mostly drop flags, so what speaks against the first that was taken is told.
  return (refusals.find((refusal) => refusal.of === 'code') ?? refusals[0])?.why ?? ''
}

async function tryTarget(candidate: Candidate, target: readonly string[], trial: Trial): Promise<Toolchain | Refusal> {
  const { env, machine } = trial
  const own = splitWords(env['LENET_CFLAGS'] ?? '')
  const flags = [...FLAGS, ...(machine.platform === 'win32' ? [] : ['-fPIC']), ...target, ...own]
  const macros = await probe(candidate, flags, trial)
  if ('why' in macros) return macros
  const foreign = foreignTo(machine, macros)
  if (foreign !== undefined) return { why: foreign, of: 'compiler' }
  const words = await machine.ask(candidate)
  if (typeof words === 'string') return { why: words, of: 'compiler' }
  const found = toolchainOf(candidate, flags, macros)
  if (typeof found === 'string') return { why: found, of: 'code' }
  const lacking = lackingFeatures(machine.arch, macros, words)
  if (lacking.length === 0) return found
  if (lacking.includes('fma')) return { why: 'this processor has no fused multiply-add', of: 'compiler' }
  return { why: `its code needs ${someOf(lacking)}, which this processor lacks`, of: 'code', lacking }
}

/** Begins the notice about flags by which the compiler means another processor. */
function elsewhere({ command }: Candidate, [flag = 'it']: readonly string[], lacking: readonly string[]): string {
  return `${command}: ${flag} makes code for another processor than this one, which lacks ${someOf(lacking)}`
}

const someOf = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')

async function probe(candidate: Candidate, flags: readonly string[], { env, gate }: Trial): Promise<Macros | Refusal> {
  const limitMs = probeLimitMs(env)
  const args = [...candidate.prefix, ...flags, '-dM', '-E', '-x', 'c', '-']
  const outcome = await runCompiler({ path: candidate.path, args, input: '', env, limitMs, niceness: 0, gate })
  if (outcome.kind === 'late') return { why: `it hangs (no answer within ${limitMs / 1000} s)`, of: 'compiler' }
  if (outcome.kind === 'failed') return { why: outcome.message, of: 'flags' }
  const { code, stdout, stderr } = outcome
  if (/\bMicrosoft\b.*\bCompiler\b/.test(stderr))
    return { why: "Microsoft's cl lacks the vectors of gcc and clang, which kernels are written in", of: 'compiler' }
  if (code !== 0)
    return { why: [`it ended with code ${code}`, firstLine(stderr)].filter(Boolean).join(': '), of: 'flags' }
  const macros = macrosOf(stdout)
  if (macros.has('__VERSION__') || macros.has('__clang_version__')) return macros
  return { why: 'it does not answer as a C compiler does', of: 'flags' }
}

function macrosOf(text: string): Macros {
  const found = text.matchAll(/^#define (?<name>\w+)(?: (?<value>.*))?$/gm)
  return new Map([...found].map(({ groups }) => [groups?.['name'] ?? '', groups?.['value']?.trim() ?? '']))
}

/** A cross compiler's fault. */
function foreignTo({ arch, platform }: Machine, macros: Macros): string | undefined {
  const lacks = (macro: string | undefined): boolean => macro !== undefined && !macros.has(macro)
  if (lacks(PROCESSORS[arch])) return `it compiles for another processor than ${arch}`
  return lacks(SYSTEMS[platform]) ? `it compiles for another system than ${platform}` : undefined
}

function toolchainOf(candidate: Candidate, tried: readonly string[], macros: Macros): Toolchain | string {
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
