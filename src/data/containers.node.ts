/**
 * Folders and archives as containers of members. Not here: which members make a data set (cifarSet.node.ts,
 * mnistSet.node.ts).
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileError } from '../base/fs.node.js'
import { LenetError } from '../base/index.js'
import type { Container, Member } from './dataSet.node.js'
import { tarMembers } from './tar.node.js'

const largestFile = 200_000_000

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true
}

export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}

async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > largestFile) throw new LenetError(`${path} is too big to be part of a data set: ${size} bytes`)
    const chunks: Buffer[] = []
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, end: size }))
      chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/** Files of one folder. `isReady`: they are parts as our cache has them. */
export function folderContainer(folder: string, names: readonly string[], isReady: boolean): Container {
  async function* members(wanted: (name: string) => boolean): AsyncGenerator<Member> {
    for (const name of names.filter(wanted)) {
      const where = join(folder, name)
      yield { name, where, bytes: await readWhole(where) }
    }
  }
  return { where: folder, isReady, files: names.map((name) => join(folder, name)), members }
}

/** A tar or tar.gz. */
export function archiveContainer(path: string): Container {
  async function* members(wanted: (name: string) => boolean): AsyncGenerator<Member> {
    for await (const { name, bytes } of tarMembers(path, (member) => wanted(basename(member)))) {
      yield { name: basename(name), where: `${path} (${name})`, bytes }
    }
  }
  return { where: path, isReady: false, files: [path], members }
}

/** The containers of those archives that are there. */
export async function archivesIn(folder: string, names: readonly string[]): Promise<Container[]> {
  const paths = names.map((name) => join(folder, name))
  const present = await Promise.all(paths.map(isFile))
  return paths.filter((_, i) => present[i]).map(archiveContainer)
}
