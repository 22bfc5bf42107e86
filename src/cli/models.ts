/** Nets by name or by a user's file. Not here: the nets themselves (models), nets of saved files (room files). */
import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { LenetError, messageOf, refuseForeign, UsageError } from '../base/index.js'
import type { MakeNet } from '../files/index.js'
import { namedNets } from '../models/index.js'
import { nn } from '../nn/index.js'
import type { Net } from '../train/index.js'

/** The name under which a net is saved: torch_NAME.pth. */
export const saveName = (model: string): string => `torch_${basename(model).replace(/\.[cm]?[jt]s$/, '')}.pth`

export const isSource = (model: string): boolean => /\.[cm]?[jt]s$/.test(model)

/** Neither a net's name nor a source file, but a file of any other name, or what can only be meant as one. */
export const isFileOfWeights = (what: string): boolean =>
  !Object.hasOwn(namedNets, what) && !isSource(what) && (existsSync(what) || /\.\w+$/.test(what))

/** `lenet`, `lenet1`, or a file that exports a net's class (by default, or as its only export). */
export async function makerOf(model: string): Promise<MakeNet> {
  const known = Object.hasOwn(namedNets, model) ? namedNets[model] : undefined
  if (known) return (channels, classes) => new known(channels, classes)
  if (!isSource(model)) {
    const what = existsSync(model) ? 'it is no source of a net' : 'there is no such net'
    throw new UsageError(`--model ${model}: ${what}; use lenet, lenet1 or a file such as net.ts`)
  }
  if (!existsSync(model)) throw new LenetError(`--model ${model}: there is no such file`)
  return fromFile(model)
}

async function fromFile(path: string): Promise<MakeNet> {
  const { createJiti } = await import('jiti')
  const library = fileURLToPath(new URL('../index.js', import.meta.url))
  const jiti = createJiti(import.meta.url, { alias: { lenet: library }, moduleCache: true, fsCache: false })
  const found = await importFile(jiti.import(pathToFileURL(resolve(path)).href), path)
  const candidates = 'default' in found ? [found['default']] : Object.values(found)
  const nets = candidates.filter(isNetClass)
  const [net] = nets
  for (const value of candidates)
    if (typeof value === 'function') refuseForeign(`--model ${path}: its class`, value.prototype)
  if (!net || nets.length > 1)
    throw new LenetError(
      `--model ${path}: expected one exported class that extends nn.Module (or a default export), found ${nets.length}`,
    )
  return (channels, classes) => new net(channels, classes)
}

async function importFile(loading: Promise<unknown>, path: string): Promise<Record<string, unknown>> {
  try {
    return (await loading) as Record<string, unknown>
  } catch (error) {
    throw new LenetError(`--model ${path}: it cannot be loaded: ${messageOf(error)}`)
  }
}

const isNetClass = (value: unknown): value is new (channels: number, classes: number) => Net =>
  typeof value === 'function' && value.prototype instanceof nn.Module
