/**
 * Checks which way imports go in src/: rooms may use only the rooms below them, enter another room only by its door,
 * import node's modules only where the browser never comes, and no two files import each other in a circle.
 * It reads text, not types: it says nothing about unused exports (knip) or about tests, which may look anywhere.
 */
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What each room may import besides itself. `cli` and src/index.ts wire everything together. */
const ALLOWED: Readonly<Record<string, readonly string[] | 'all'>> = {
  base: [],
  graph: ['base'],
  compiler: ['graph', 'base'],
  device: ['compiler', 'graph', 'base'],
  tensor: ['device', 'compiler', 'graph', 'base'],
  formats: ['base'],
  report: ['base'],
  data: ['tensor', 'formats', 'base'],
  nn: ['tensor', 'formats', 'base'],
  keras: ['nn', 'data', 'tensor', 'formats', 'base'],
  models: ['keras', 'nn', 'tensor', 'base'],
  files: ['models', 'keras', 'nn', 'tensor', 'formats', 'base'],
  train: ['models', 'nn', 'data', 'tensor', 'report', 'base'],
  bench: ['models', 'nn', 'data', 'device', 'compiler', 'tensor', 'report', 'base'],
  cli: 'all',
}

export interface Offence {
  /** Path from the root, forward slashes. */
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly message: string
}

interface Import {
  readonly specifier: string
  readonly line: number
  /** `import type` and `export type`: gone after compilation. */
  readonly typeOnly: boolean
  /** `import('…')`: happens later, so it closes no circle. */
  readonly dynamic: boolean
}

const TOKENS = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/.*/g
const STATIC = /^[ \t]*(?:import|export)\b(?<type>[ \t]+type\b)?(?:[^'"`;]*?\bfrom)?\s*['"](?<path>[^'"\n]+)['"]/gm
const DYNAMIC = /\bimport\(\s*['"](?<path>[^'"\n]+)['"]/g

/** Comments become spaces of the same length, so that lines keep their numbers. */
function withoutComments(text: string): string {
  return text.replace(TOKENS, (token) => (token.startsWith('/') ? token.replace(/[^\n]/g, ' ') : token))
}

/** Line (from 1) of the specifier: an import may go over several lines, and its end is where the path stands. */
function lineAt(text: string, end: number): number {
  return text.slice(0, end).split('\n').length
}

function importsOf(source: string): Import[] {
  const text = withoutComments(source)
  const found: Import[] = []
  for (const [pattern, dynamic] of [[STATIC, false] as const, [DYNAMIC, true] as const]) {
    for (const match of text.matchAll(pattern)) {
      const { path, type } = match.groups ?? {}
      if (path === undefined) continue
      const line = lineAt(text, match.index + match[0].length)
      found.push({ specifier: path, line, typeOnly: type !== undefined, dynamic })
    }
  }
  return found.toSorted((a, b) => a.line - b.line)
}

/** 'src/nn/layers/conv.ts' → 'nn'; 'src/index.ts' → ''. */
function roomOf(file: string): string {
  const [, room, rest] = file.split('/')
  return rest === undefined || room === undefined ? '' : room
}

/** The source file that a relative specifier ending in .js means. */
function resolve(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier.split('/')[0] ?? '')
}

function mayUseNode(file: string): boolean {
  return file.endsWith('.node.ts') || file.startsWith('src/cli/')
}

/** A room's doors: its index.ts, and its *.node.ts files, which index.ts cannot export because browsers read it. */
function isDoor(target: string): boolean {
  return /^src\/[^/]+\/(?:index|[^/]+\.node)\.ts$/.test(target)
}

function directionOffence(from: string, to: string): string | undefined {
  if (from === to || from === '') return undefined
  const allowed = ALLOWED[from]
  if (allowed === undefined) return `unknown room '${from}': add it to the table in scripts/layers.ts`
  if (allowed === 'all') return undefined
  if (to === '') return `room '${from}' may not import src/index.ts`
  const list = allowed.length === 0 ? 'no other room' : `only ${allowed.join(', ')}`
  return allowed.includes(to) ? undefined : `room '${from}' may import ${list}, not '${to}'`
}

function importOffence(file: string, specifier: string, files: ReadonlyMap<string, string>): string | undefined {
  if (isBuiltin(specifier)) {
    return mayUseNode(file) ? undefined : `'${specifier}' may be imported only in *.node.ts and src/cli/`
  }
  if (!specifier.startsWith('.')) return undefined
  const target = resolve(file, specifier)
  if (!target.startsWith('src/')) return `'${specifier}' is outside src/`
  if (!files.has(target)) return `'${specifier}' is no source file`
  const direction = directionOffence(roomOf(file), roomOf(target))
  if (direction !== undefined) return direction
  const enters = roomOf(file) !== roomOf(target) && roomOf(target) !== ''
  return enters && !isDoor(target) ? `enter room '${roomOf(target)}' by its index.ts, not by '${specifier}'` : undefined
}

/** File → files it imports at load time, with the line of each. */
function loadTimeGraph(files: ReadonlyMap<string, string>): Map<string, Map<string, number>> {
  const graph = new Map<string, Map<string, number>>()
  for (const [file, text] of files) {
    const targets = new Map<string, number>()
    for (const { specifier, line, typeOnly, dynamic } of importsOf(text)) {
      if (typeOnly || dynamic || !specifier.startsWith('.')) continue
      const target = resolve(file, specifier)
      if (files.has(target) && !targets.has(target)) targets.set(target, line)
    }
    graph.set(file, targets)
  }
  return graph
}

/** Each circle once, told at the import that closes it. Depth-first; grey files are those on the path. */
function findCycles(files: ReadonlyMap<string, string>): Offence[] {
  const graph = loadTimeGraph(files)
  const done = new Set<string>()
  const path: string[] = []
  const offences: Offence[] = []
  const visit = (file: string): void => {
    path.push(file)
    for (const [target, line] of graph.get(file) ?? []) {
      const start = path.indexOf(target)
      if (start >= 0) {
        const circle = [...path.slice(start), target].join(' → ')
        offences.push({ file, line, message: `imports go in a circle: ${circle}` })
      } else if (!done.has(target)) visit(target)
    }
    path.pop()
    done.add(file)
  }
  for (const file of graph.keys()) if (!done.has(file)) visit(file)
  return offences
}

/**
 * All offences in a set of source files.
 * @param files path from the root ('src/nn/index.ts') → text
 * @returns sorted by file and line; empty when imports go one way
 */
export function findOffences(files: ReadonlyMap<string, string>): Offence[] {
  const offences = findCycles(files)
  for (const [file, text] of files) {
    for (const { specifier, line } of importsOf(text)) {
      const message = importOffence(file, specifier, files)
      if (message !== undefined) offences.push({ file, line, message })
    }
  }
  return offences.toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line))
}

/** Reads every .ts file under root/src. */
export function readSources(root: string): Map<string, string> {
  const entries = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  const paths = entries.filter((e) => e.isFile() && e.name.endsWith('.ts')).map((e) => join(e.parentPath, e.name))
  return new Map(
    paths.toSorted().map((path) => [relative(root, path).split(sep).join('/'), readFileSync(path, 'utf8')]),
  )
}

function main(root: string): number {
  const files = readSources(root)
  const offences = findOffences(files)
  for (const { file, line, message } of offences) console.error(`${file}:${line}: ${message}`)
  if (offences.length === 0) console.log(`layers: imports of ${files.size} files go one way`)
  return offences.length === 0 ? 0 : 1
}

if (fileURLToPath(import.meta.url) === realpathSync(process.argv[1] ?? '.')) process.exitCode = main(process.cwd())
