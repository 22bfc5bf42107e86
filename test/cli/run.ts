/** Runs the command line in a process of its own. Not a test. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fetchCifar10 } from '../../src/data/index.node.js'

/** The command line's entrance. */
export const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Switches for Node. */
  readonly node?: readonly string[]
  /** It is sent the signal when it has written the text, before it does anything else (killAfter.ts). */
  readonly kill?: { readonly after: string; readonly signal: NodeJS.Signals }
}

export function lenet(args: readonly string[], { env = {}, cwd, kill, node = [] }: RunOptions = {}): Promise<Ended> {
  const before = kill ? ['--import', new URL('killAfter.js', import.meta.url).href] : []
  const all = { ...process.env, ...env, ...(kill ? { KILL_AFTER: kill.after, KILL_SIGNAL: kill.signal } : {}) }
  const child = spawn(process.execPath, [...node, ...before, main, ...args], { env: all, cwd: cwd ?? folder() })
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (texts[name] += text))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...texts })))
}

const folders: string[] = []
process.on('exit', () => folders.forEach((at) => rmSync(at, { recursive: true, force: true })))

/** A new empty folder, gone when the tests end. */
export function folder(): string {
  const at = mkdtempSync(join(tmpdir(), 'lenet-cli-'))
  folders.push(at)
  return at
}

export const eventsOf = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** False where CIFAR-10 is there or can be fetched; else the reason to skip what needs it. */
export async function whyNoCifar10(): Promise<string | false> {
  try {
    await fetchCifar10({ warn: () => {} })
    return false
  } catch (error) {
    return `needs CIFAR-10: ${error instanceof Error ? error.message : String(error)}`
  }
}
