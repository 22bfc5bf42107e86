/** Nets by name, by a user's file, or recognised from saved weights. Not here: the nets themselves (models). */
import { existsSync, readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { LenetError, UsageError } from '../base/index.js'
import { readPth } from '../formats/index.js'
import { LeNet, LeNet1 } from '../models/index.js'
import { nn } from '../nn/index.js'
import { loadWeights } from '../nn/save.node.js'
import type { StateDict } from '../nn/index.js'
import type { Net } from '../train/index.js'

export type MakeNet = (channels: number, classes: number) => Net

/** The nets that go by a name. */
export const namedNets: Readonly<Record<string, new (inDim: number, nClass: number) => Net>> = {
  lenet: LeNet,
  lenet1: LeNet1,
}

/** The name under which a net is saved: torch_NAME.pth. */
export const saveName = (model: string): string => `torch_${basename(model).replace(/\.[cm]?[jt]s$/, '')}.pth`

const isSource = (model: string): boolean => /\.[cm]?[jt]s$/.test(model)

/** Neither a net's name nor a source file, but a file of any other name, or what can only be meant as one. */
export const isFileOfWeights = (what: string): boolean =>
  !Object.hasOwn(namedNets, what) && !isSource(what) && (existsSync(what) || /\.\w+$/.test(what))

/** `lenet`, `lenet1`, or a file that exports a net's class (by default, or as its only export). */
export async function makerOf(model: string): Promise<MakeNet> {
  const known = Object.hasOwn(namedNets, model) ? namedNets[model] : undefined
  if (known) return (channels, classes) => new known(channels, classes)
  if (!isSource(model)) {
    throw new UsageError(`--model ${model}: there is no such net; use lenet, lenet1 or a file such as net.ts`)
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
    throw new LenetError(
      `--model ${path}: it cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

const isNetClass = (value: unknown): value is new (channels: number, classes: number) => Net =>
  typeof value === 'function' && value.prototype instanceof nn.Module

/** A net with the weights of a file. `model`: which net it is, where its names do not tell. */
export async function loadNet(path: string, model?: string): Promise<{ net: Net; name: string }> {
  const state = loadWeights(path)
  const name = recognise(state)
  if (model && name && Object.hasOwn(namedNets, model) && model !== name) {
    throw new LenetError(`${path} holds a ${name} (by its names), not the ${model} that --model says`)
  }
  const chosen = model ?? name
  if (!chosen) {
    const names = [...state.keys()].slice(0, 4).join(', ')
    throw new LenetError(
      `${path} holds none of the nets lenet and lenet1 (it has ${names}, …); say which net it is with --model`,
    )
  }
  const make = await makerOf(chosen)
  const net = make(state.get('conv1.weight')?.shape[1] ?? 3, classesOf(state))
  try {
    net.loadStateDict(state)
  } catch (error) {
    throw error instanceof LenetError ? new LenetError(`${path}: ${error.message}`) : error
  }
  return { net, name: chosen }
}

const layerNames = { lenet: 'conv1 conv2 fc1 fc2 fc3', lenet1: 'conv1 conv2 conv3 fc1 fc2' } as const

function recognise(state: StateDict): string | undefined {
  const layers = [...new Set([...state.keys()].map((key) => key.split('.')[0]))].join(' ')
  return Object.entries(layerNames).find(([, names]) => names === layers)?.[0]
}

/** The size of the last bias: how many classes there are. */
function classesOf(state: StateDict): number {
  const last = [...state].findLast(([key]) => key.endsWith('bias'))
  return last?.[1].shape[0] ?? 10
}

const areTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string')

/** Class names where the file carries them beside the weights, as many training scripts do: `classes` or `class_names`. */
export function classNamesIn(path: string): readonly string[] | undefined {
  const { whole } = readPth(readFileSync(path), path)
  if (!(whole instanceof Map)) return undefined
  return ['classes', 'class_names'].map((key) => whole.get(key)).find(areTexts)
}
