/**
 * Runs a compiler: bounded in time, at low priority, its whole process group ended when it takes too long.
 * Not here: which compiler (toolchain) and what becomes of its output (cache). Used in the compile worker only.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { messageOf } from '../../../base/index.js'

export interface Invocation {
  readonly path: string
  readonly args: readonly string[]
  /** Given on its standard input. */
  readonly input: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folder?: string
  readonly limitMs: number
  readonly niceness: number
  readonly gate: Gate
}

/** By which the main thread knows what runs, so that nothing outlives the process. */
export interface Gate {
  /** Before a program is started. False: start nothing more. */
  enter(): boolean
  /** Its process group; on Windows, which has none, the process alone. */
  running(group: number): void
  leave(): void
}

export type Outcome =
  | { readonly kind: 'ended'; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** It could not be started, or was ended by a signal. */
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'late' }

/** A compiler that writes more than this is not listened to any longer. */
const MAXIMUM_OUTPUT = 2 ** 20
/** Servers that a compiler leaves behind (ccache, sccache) keep its pipes open: they are not waited for. */
const PIPES_MS = 250

const ownGroup = process.platform !== 'win32'

/** Never rejects. */
export function runCompiler(invocation: Invocation): Promise<Outcome> {
  const { path, args, env, folder, gate } = invocation
  if (!gate.enter()) return Promise.resolve({ kind: 'failed', message: 'the compile worker was closed' })
  try {
    const child = spawn(path, args, {
      env: { ...env, LC_ALL: 'C' },
      stdio: 'pipe',
      detached: ownGroup,
      windowsHide: true,
      ...(folder === undefined ? {} : { cwd: folder }),
    })
    gate.running(child.pid ?? 0)
    return watch(child, invocation)
  } catch (error) {
    gate.leave()
    return Promise.resolve({ kind: 'failed', message: messageOf(error) })
  }
}

function watch(child: ChildProcess, { limitMs, niceness, input, gate }: Invocation): Promise<Outcome> {
  const stdout = collect(child.stdout)
  const stderr = collect(child.stderr)
  lowerPriority(child.pid, niceness)
  const { promise, resolve } = withResolvers<Outcome>()
  const timer = setTimeout(() => {
    killGroup(child.pid ?? 0)
    settle({ kind: 'late' })
  }, limitMs)
  let isSettled = false
  const settle = (outcome: Outcome): void => {
    if (isSettled) return
    isSettled = true
    clearTimeout(timer)
    gate.leave()
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy()
    resolve(outcome)
  }
  const end = (code: number | null, signal: string | null): void =>
    settle(
      code === null
        ? { kind: 'failed', message: `it was ended by ${signal ?? 'a signal'}` }
        : { kind: 'ended', code, stdout: stdout(), stderr: stderr() },
    )
  child.on('error', (error) => settle({ kind: 'failed', message: error.message }))
  child.on('close', end)
  child.on('exit', (code, signal) => setTimeout(end, PIPES_MS, code, signal))
  // One that ends without reading everything gives EPIPE here; its exit code tells more.
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(input)
  return promise
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** Reads all that comes, so that the writer never waits; what was read, up to a limit, is given when asked for. */
function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream?.on('data', (chunk: Buffer) => {
    if (size < MAXIMUM_OUTPUT) chunks.push(chunk)
    size += chunk.length
  })
  return () => Buffer.concat(chunks).subarray(0, MAXIMUM_OUTPUT).toString('utf8')
}

/** Ends what a gate was told to run. @param group 0: nothing */
export function killGroup(group: number): void {
  if (group <= 0) return
  try {
    process.kill(ownGroup ? -group : group, 'SIGKILL')
  } catch {
    // It has just ended by itself.
  }
}

/** Training keeps the processor. Linux may also weigh whole sessions against each other, which have a niceness too. */
function lowerPriority(pid: number | undefined, niceness: number): void {
  if (pid === undefined) return
  try {
    setPriority(pid, niceness)
    if (process.platform === 'linux') writeFileSync(`/proc/${pid}/autogroup`, String(niceness), { flag: 'r+' })
  } catch {
    // It has already ended, or the system has no such thing: it runs as it is.
  }
}

/** The line that says most: the first with 'error' in it, else the first. Without control characters, of at most 300. */
export function firstLine(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.replace(/[\u0000-\u001f\u007f]+/g, ' ').trim())
    .filter((line) => line !== '')
  return (lines.find((line) => /\berror\b/i.test(line)) ?? lines[0] ?? '').slice(0, 300)
}
