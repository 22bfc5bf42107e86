/**
 * The file of measured choices in the cache folder: one a kind of machine. Whatever is wrong with it, it is told and not
 * used. Not here: what it says (tuning.ts).
 */
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { messageOf } from '../../base/index.js'
import { cacheHome, isThere, writeFileAtomic } from '../../base/fs.node.js'
import { formatTuning, mostTuningBytes, parseTuning, type Choices } from './tuning.js'

const folder = (): string => join(cacheHome(), 'tuning')

/** What the processor can do, where the system says so. */
function features(): string {
  try {
    const found = /^(?:flags|Features)\s*:\s*(?<names>.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))
    return found?.groups?.['names'] ?? ''
  } catch {
    return ''
  }
}

/** The kind of machine: processor, its features, and the engine that compiles WebAssembly. */
function machine(): string {
  const parts = [process.platform, process.arch, cpus()[0]?.model ?? '', features(), process.versions.v8]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

/** Where this machine's choices are. */
export const tuningPath = (name = machine()): string => join(folder(), `${name}.json`)

/** What was measured on this machine; nothing, with a line for the user, where the file cannot be used. */
export function readTuning(notice: (line: string) => void): Choices {
  if (!isThere(folder())) return new Map()
  const name = machine()
  const path = tuningPath(name)
  if (!isThere(path)) return new Map()
  const found = textOf(path)
  const choices = 'problem' in found ? found.problem : parseTuning(found.text, name)
  if (typeof choices !== 'string') return choices
  notice(`what lenet tune wrote to ${path} is not used: ${choices}; run lenet tune again, or remove the file`)
  return new Map()
}

/** A pipe or device is never waited for. */
function textOf(path: string): { text: string } | { problem: string } {
  try {
    const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      const stats = fstatSync(file)
      if (!stats.isFile()) return { problem: 'it is no file' }
      if (stats.size > mostTuningBytes) return { problem: `it is longer than ${mostTuningBytes} bytes` }
      return { text: readFileSync(file, 'utf8') }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    return { problem: messageOf(error) }
  }
}

/** Keeps the choices for this machine, in place of what was there. Gives the file's path. */
export async function writeTuning(choices: Choices): Promise<string> {
  const name = machine()
  const path = tuningPath(name)
  await writeFileAtomic(path, formatTuning(name, choices))
  return path
}
