/** What a net's classes are called: as the user says, the file, the data set, or numbers. Not here: the net. */
import { existsSync, readFileSync } from 'node:fs'
import { fileError } from '../base/fs.node.js'
import { LenetError, UsageError } from '../base/index.js'
import { cifar10Classes } from '../data/index.js'
import { loadImageFolder } from '../data/index.node.js'
import { checkData } from './dataSets.js'

export interface NameFlags {
  /** The data set that the net was trained on. */
  readonly data?: string
  /** Names with commas between them, or a file with one a line. */
  readonly classes?: string
}

export interface ClassNames {
  readonly list: readonly string[]
  /** Where they come from. */
  readonly source: string
  /** They are a guess, which a flag can put right. */
  readonly guessed: boolean
  /** Pictures are digits, framed as MNIST's are for training. */
  readonly digits: boolean
}

const digitNames = Array.from({ length: 10 }, (_, i) => String(i))

/**
 * @param path the net's file, and the names that it carries
 * @param channels of its pictures
 * @param count of its classes
 * @throws UsageError, LenetError for names that are not as many, or that cannot be read
 */
export async function classNames(
  { path, classes }: { readonly path: string; readonly classes: readonly string[] | undefined },
  flags: NameFlags,
  channels: number,
  count: number,
): Promise<ClassNames> {
  const { data } = flags
  if (data !== undefined) checkData(data)
  const told = await toldNames(path, classes, flags)
  if (!told) return guess(channels, count)
  const { list, source } = told
  if (list.length !== count)
    throw new LenetError(`${source} has ${list.length} class names, the net of ${path} tells ${count} classes apart`)
  const areDigits = channels === 1 && list.join() === digitNames.join()
  return { ...told, guessed: false, digits: data === 'mnist' || (data === undefined && areDigits) }
}

type Told = Pick<ClassNames, 'list' | 'source'>

/** Names that somebody gave: the nearest to the user wins. */
async function toldNames(
  path: string,
  own: readonly string[] | undefined,
  { data, classes }: NameFlags,
): Promise<Told | undefined> {
  if (classes !== undefined) return { list: listOf(classes), source: '--classes' }
  if (data !== undefined) return { list: await namesOf(data), source: data }
  return own && { list: own, source: path }
}

function guess(channels: number, count: number): ClassNames {
  const guessed = true
  if (count === 10 && channels === 3) return { list: cifar10Classes, source: 'cifar10', guessed, digits: false }
  if (count === 10 && channels === 1) return { list: digitNames, source: 'mnist', guessed, digits: true }
  const list = Array.from({ length: count }, (_, i) => String(i))
  return { list, source: 'numbers', guessed, digits: false }
}

function listOf(classes: string): string[] {
  const names = textOf(classes)
    .split(existsSync(classes) ? /\r?\n/ : ',')
    .map((name) => name.trim())
  if (names.at(-1) === '') names.pop()
  if (names.length === 0 || names.includes('')) throw new UsageError(`--classes ${classes}: a name is empty`)
  return names
}

function textOf(classes: string): string {
  if (!existsSync(classes)) return classes
  try {
    return readFileSync(classes, 'utf8')
  } catch (error) {
    throw fileError(error, classes, 'read')
  }
}

/** Of a folder: the names of its folders, as for training. */
async function namesOf(data: string): Promise<readonly string[]> {
  if (data === 'cifar10') return cifar10Classes
  if (data === 'mnist') return digitNames
  return (await loadImageFolder({ dir: data, train: true, limit: 1 })).classes
}
