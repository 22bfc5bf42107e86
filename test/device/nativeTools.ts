/** What the tests of the native compiler share: small C sources, folders and programs that stand in for compilers. */
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { abi, type CSource } from '../../src/compiler/index.js'
import { type NativeOptions, type NativeService, startNativeService } from '../../src/device/cpu/native/service.node.js'
import type { BuildFailure, Built, BuiltPart, ToolchainInfo } from '../../src/device/cpu/native/types.js'

export const oneSource = (text: string): CSource[] => [{ head: '', parts: [text] }]

/**
 * A step that adds 1.5 to the float at table + 4 tid and gives 100 nth + team + the program's first byte; the kernel writes
 * its index as a byte.
 */
export function sourceOf(extra = '', version = abi): CSource[] {
  return oneSource(`#include <stdint.h>
#include <stdio.h>
const uint32_t lenet_abi = ${version};
int32_t NAME(uint8_t *program, uint8_t *memory, uint32_t table, uint32_t tid, uint32_t nth, uint32_t team, int32_t (*look)(void)) {
  (void)look;
  ((float *)(memory + table))[tid] += 1.5f;
  return (int32_t)(100 * nth + team + program[0]);
}
void lenet_kernel(uint8_t *program, uint8_t *memory, uint32_t table, uint32_t index) { memory[table] = (uint8_t)index; }
${extra}
`)
}

/** For steps of `sourceOf`. */
export const program = new Uint8Array(8)

/** A folder for one test, removed after it. Absolute, without links. */
export function scratch(t: TestContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-test-')))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A service that ends with the test. */
export function serviceFor(t: TestContext, folder: string, options: NativeOptions = {}): NativeService {
  const service = startNativeService({ folder, ...options })
  t.after(() => service.close())
  return service
}

/** An executable shell script. */
export function script(path: string, lines: string): string {
  writeFileSync(path, `#!/bin/sh\n${lines}\n`)
  chmodSync(path, 0o755)
  return path
}

/** A compiler that answers questions (-E; -O0: of the processor) as the system's does; before kernels it runs `lines`. */
export function wrapper(path: string, lines: string): string {
  return script(path, `case " $* " in *" -E "*|*" -O0 "*) ;; *)\n${lines}\n;; esac\nexec cc "$@"`)
}

/** What lies in a folder of compiled kernels beside the library that asks the processor. */
export function kernelsIn(folder: string): string[] {
  const asked = (name: string): boolean =>
    name.endsWith('.so') && readFileSync(join(folder, name)).includes('lenet_processor')
  return readdirSync(folder).filter((name) => !asked(name))
}

export function withEnv(extra: Readonly<Record<string, string>>): NonNullable<NativeOptions['env']> {
  const { CC: _, LENET_CFLAGS: __, LENET_CC_TIMEOUT: ___, ...rest } = process.env
  return { ...rest, ...extra }
}

export function infoOf(service: NativeService): ToolchainInfo {
  const found = service.wait()
  if ('reason' in found) throw new Error(found.reason)
  return found
}

/** The only part of what was built. */
export function built(result: Built | BuildFailure): BuiltPart & { readonly cached: boolean } {
  if ('error' in result) throw new Error(result.error)
  const [part] = result.parts.flat()
  if (!part) throw new Error('nothing was built')
  return { ...part, cached: result.cached }
}

export const countLines = (path: string): number =>
  existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').length : 0

/** Milliseconds after which what is to end by itself hangs, on the slowest machine. */
export const hangMs = 300_000

/**
 * Begins a program that a compiler would wait for, longer than anything here, and leaves its number in the file. What is
 * not ended writes its lateness behind it.
 */
export const endless = (file: string): string =>
  `(sleep 1000; echo late >> '${file}') & echo $! > '${file}.part'; mv '${file}.part' '${file}'; wait`

/** Whether the endless program that left its number there was ended. A zombie that nobody reaps is gone. */
export function wasEnded(file: string): boolean {
  const [pid, late] = readFileSync(file, 'utf8').trim().split('\n')
  return late === undefined && Number(pid) > 0 && isGone(Number(pid))
}

/** A process that was sent a signal goes when the system gets to it. */
function isGone(pid: number): boolean {
  const cell = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; waited < hangMs; waited += 50) {
    if (!isAlive(pid)) return true
    Atomics.wait(cell, 0, 0, 50)
  }
  return false
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : ''
    return stat.split(') ')[1]?.startsWith('Z') !== true
  } catch {
    return false
  }
}

/** False where a compiler is there, else the reason to skip what needs one. */
export function whyNoCompiler(): string | false {
  if (process.platform === 'win32') return 'the stand-ins are shell scripts'
  const folder = mkdtempSync(join(tmpdir(), 'lenet-test-'))
  const service = startNativeService({ folder: join(folder, 'native'), env: withEnv({}) })
  const found = service.wait()
  service.close()
  rmSync(folder, { recursive: true, force: true })
  return 'reason' in found ? found.reason : false
}
