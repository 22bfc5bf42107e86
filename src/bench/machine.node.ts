/** On what machine and with which tools the benchmark runs: what was found, and where to look. Not here: measuring. */
import { execFile } from 'node:child_process'
import { cpus, loadavg, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { existsSync } from 'node:fs'
import { codeOf, LenetError } from '../base/index.js'
import { findProgram, splitWords } from '../base/programs.node.js'

const execute = promisify(execFile)

export interface Machine {
  readonly event: 'machine'
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly platform: string
  readonly node: string
  /** The first line that the C compiler says of itself; null without one. */
  readonly compiler: string | null
  /** torch, tensorflow, tfjs, …: of who takes part. */
  readonly versions: Readonly<Record<string, string>>
  /** Processes that wanted a core in the minute before, on average: of others. 0 on Windows. */
  readonly loadBefore: number
  /** ISO 8601. */
  readonly date: string
}

/** A C compiler: a command and its first words ('zig' 'cc'). */
export interface Compiler {
  readonly words: readonly [string, ...string[]]
  readonly version: string
}

const candidates: readonly (readonly [string, ...string[]])[] = [['cc'], ['clang'], ['gcc'], ['zig', 'cc']]

/** `CC`, else the first of cc, clang, gcc and zig that answers within five seconds. */
export async function findCompiler(): Promise<Compiler | null> {
  const [own, ...words] = splitWords(process.env['CC'] ?? '')
  for (const [command, ...rest] of own === undefined ? candidates : [[own, ...words] as const]) {
    try {
      const { stdout } = await execute(command, [...rest, '--version'], { timeout: 5000 })
      return { words: [command, ...rest], version: stdout.split('\n')[0]?.trim() ?? command }
    } catch {
      continue
    }
  }
  return null
}

/** Which of these modules a Python has. It may take long to answer for the first time. */
async function modulesOf(python: string, modules: readonly string[]): Promise<string[]> {
  const program = `import importlib.util as u; print(' '.join(m for m in ${JSON.stringify(modules)} if u.find_spec(m)))`
  const { stdout } = await execute(python, ['-c', program], { timeout: 60_000 })
  return stdout.trim().split(' ').filter(Boolean)
}

export interface Python {
  readonly path: string
  readonly torch: boolean
  readonly keras: boolean
}

/**
 * The Python to measure PyTorch and Keras with: the given one, or python3 on PATH if it has torch or Keras.
 * @throws LenetError if the given one cannot be run or has neither
 */
export async function findPython(given: string | undefined): Promise<Python | null> {
  const path = given ?? findProgram('python3', process.env) ?? findProgram('python', process.env)
  if (path === undefined) return null
  if (given !== undefined && /[\\/]/.test(given) && !existsSync(given))
    throw new LenetError(`--python ${given}: there is no such file`)
  try {
    const found = new Set(await modulesOf(path, ['torch', 'tensorflow', 'keras']))
    const [torch, keras] = [found.has('torch'), found.has('tensorflow') && found.has('keras')]
    if (torch || keras) return { path, torch, keras }
  } catch (error) {
    if (given === undefined) return null
    const isMissing = codeOf(error) === 'ENOENT'
    const why = isMissing ? 'there is no such program' : `it cannot be run: ${String(error).split('\n')[0]}`
    throw new LenetError(`--python ${given}: ${why}`)
  }
  if (given === undefined) return null
  throw new LenetError(
    `--python ${given}: that Python has neither torch nor tensorflow with keras; install one, or leave --python out`,
  )
}

/** How busy the machine is with other things: to be asked before anything is measured. */
export const load = (): number => Math.round(100 * (loadavg()[0] ?? 0)) / 100

export function describeMachine(
  compiler: Compiler | null,
  versions: Readonly<Record<string, string>>,
  loadBefore: number,
): Machine {
  return {
    event: 'machine',
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    compiler: compiler?.version ?? null,
    versions,
    loadBefore,
    date: new Date().toISOString(),
  }
}
