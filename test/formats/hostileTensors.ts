/**
 * Hostile and damaged safetensors, npy and npz files, one per class, made here by hand, and why each is refused.
 * Run by itself it writes them: `node dist/test/formats/hostileTensors.js FOLDER`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { deflatedZeros, rawZip } from './rawZip.js'

export interface HostileFile {
  /** Its ending is the format. */
  readonly name: string
  readonly bytes: Uint8Array
  readonly reason: RegExp
}

const utf8 = new TextEncoder()

/** A safetensors file; `length` is the header length it claims. */
function safetensors(header: string | Uint8Array, data = 0, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? utf8.encode(header) : header
  const out = new Uint8Array(8 + text.length + data)
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(text.length), true)
  out.set(text, 8)
  return out
}

const tensor = (begin: number | string, end: number | string, shape = '[2]', dtype = 'F32'): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`

const safetensorsFiles: Record<string, readonly [Uint8Array, RegExp]> = {
  empty: [new Uint8Array(0), /it has 0 bytes/],
  short: [new Uint8Array(7), /it has 7 bytes/],
  hugeHeader: [safetensors('{}', 0, 2n ** 63n), /impossible 64-bit length/],
  longHeader: [safetensors('{}', 0, 99_000_000n), /refused: its header has 99000000 bytes/],
  headerPastEnd: [safetensors('{}', 0, 1000n), /1000 bytes are announced at byte 8, but only 2 follow/],
  noObject: [safetensors('[]'), /does not begin with \{/],
  noJson: [safetensors('{"a":'), /header: damaged JSON at character 5/],
  notUtf8: [safetensors(new Uint8Array([0x7b, 0xff, 0x7d])), /should be UTF-8/],
  deep: [safetensors(`{"a":${'['.repeat(2_000_000)}`), /nested more than 64 deep/],
  manyValues: [safetensors(`{"a":[${'{},'.repeat(2_500_000)}{}]}`), /more than 500000 values/],
  gap: [safetensors(`{"a":${tensor(0, 8)},"b":${tensor(12, 20)}}`, 20), /b: refused: a gap before it/],
  gapAtStart: [safetensors(`{"a":${tensor(4, 12)}}`, 12), /a: refused: a gap before it/],
  overlap: [safetensors(`{"a":${tensor(0, 8)},"b":${tensor(4, 12)}}`, 12), /b: refused: it overlaps another tensor/],
  same: [safetensors(`{"a":${tensor(0, 8)},"b":${tensor(0, 8)}}`, 8), /b: refused: it overlaps another tensor/],
  trailing: [safetensors(`{"a":${tensor(0, 8)}}`, 9), /1 bytes at its end belong to no tensor/],
  truncated: [safetensors(`{"a":${tensor(0, 8)}}`, 7), /a: truncated: it ends at byte 8 of the data, which has 7/],
  pastEnd: [safetensors(`{"a":${tensor(0, 4e12, '[1000000000000]')}}`, 8), /a: truncated/],
  wrongSize: [safetensors(`{"a":${tensor(0, 8, '[3]')}}`, 8), /a: F32 \[3\] needs 12 bytes, its offsets give 8/],
  overflow: [safetensors(`{"a":${tensor(0, 8, '[4294967296,4294967296]')}}`, 8), /needs 7\d+ bytes/],
  backwards: [safetensors(`{"a":${tensor(8, 0, '[0]')}}`, 8), /data_offsets are not two rising numbers/],
  negative: [safetensors(`{"a":${tensor(-8, 0)}}`, 8), /data_offsets are not two rising numbers/],
  negativeShape: [safetensors(`{"a":${tensor(0, 8, '[-1,-2]')}}`, 8), /its shape is no list of sizes/],
  fraction: [safetensors(`{"a":${tensor(0, 8.5)}}`, 8), /data_offsets are not/],
  beyondIntegers: [safetensors(`{"a":${tensor(0, '1e400')}}`, 8), /data_offsets are not/],
  duplicate: [safetensors(`{"a":${tensor(0, 8)},"a":${tensor(0, 8)}}`, 8), /the key "a" is there twice/],
  escapedDuplicate: [safetensors(`{"a":${tensor(0, 8)},"\\u0061":${tensor(0, 8)}}`, 8), /the key "a" is there twice/],
  unknownDtype: [safetensors(`{"a":${tensor(0, 2, '[2]', 'F8_E4M3')}}`, 2), /a: dtype "F8_E4M3"; known/],
  noDtype: [safetensors('{"a":{}}'), /a: dtype undefined; known/],
  noEntry: [safetensors('{"a":1}'), /a: its header entry is no JSON object/],
  metadataNumber: [safetensors('{"__metadata__":{"a":1}}'), /__metadata__\.a: a text is expected/],
  longName: [safetensors(`{"${'a'.repeat(100_000)}":1}`), /a…: its header entry/],
  newlineName: [safetensors('{"a\\nb":1}'), /its header entry is no JSON object/],
}

/** An npy file of this header text. */
function npy(header: string, data = 0, version = 1, length = header.length): Uint8Array {
  const head =
    version === 1
      ? [length & 255, length >> 8]
      : [length & 255, (length >> 8) & 255, (length >> 16) & 255, length >>> 24]
  return new Uint8Array([
    0x93,
    ...utf8.encode('NUMPY'),
    version,
    0,
    ...head,
    ...utf8.encode(header),
    ...new Uint8Array(data),
  ])
}

const dict = (descr: string, shape: string, order = 'False'): string =>
  `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`

const npyFiles: Record<string, readonly [Uint8Array, RegExp]> = {
  empty: [new Uint8Array(0), /not an npy file/],
  otherMagic: [utf8.encode('PK nothing of the kind'), /not an npy file/],
  version9: [npy(dict("'<f4'", '(1,)'), 4, 9), /version 9\.0 of npy/],
  headerPastEnd: [npy('{', 0, 1, 5000), /5000 bytes are announced/],
  longHeader: [npy('{', 0, 2, 2 ** 30), /refused: its header has 1073741824 bytes/],
  objects: [npy(dict("'|O'", '(1,)'), 4), /Python objects is a pickle/],
  structured: [npy(dict("[('a', '<f4')]", '(1,)'), 4), /refused: a structured array/],
  texts: [npy(dict("'<U3'", '(1,)'), 12), /its dtype is '<U3'; known/],
  escapeInDtype: [npy(dict("'<f\x1b4'", '(1,)'), 4), /its dtype is '<f\\u001b4'; known/],
  code: [npy(dict("__import__('os').system('x')", '(1,)'), 4), /damaged: its header says/],
  twice: [npy(`{'descr': '<f4', ${dict("'<f4'", '(1,)').slice(1)}`, 4), /has 'descr' twice/],
  noShape: [npy("{'descr': '<f4', 'fortran_order': False}", 4), /its header has no shape/],
  noOrder: [npy("{'descr': '<f4', 'shape': (1,)}", 4), /has no 'fortran_order'/],
  negative: [npy(dict("'<f4'", '(-1,)'), 4), /damaged: its header says/],
  shapeBomb: [npy(dict("'<f4'", '(1000000, 1000000)'), 4), /needs 4000000000000 bytes and has 4/],
  overflow: [npy(dict("'<f4'", '(99999999999999999999,)'), 4), /damaged: its shape is/],
  manyAxes: [npy(dict("'<f4'", `(${'1,'.repeat(100)})`), 4), /damaged: its shape is/],
  truncated: [npy(dict("'<f4'", '(3,)'), 11), /needs 12 bytes and has 11/],
  trailing: [npy(dict("'<f4'", '(3,)'), 13), /needs 12 bytes and has 13/],
}

const one = npy(dict("'<f4'", '(1,)'), 4)
const npzFiles: Record<string, readonly [Uint8Array, RegExp]> = {
  empty: [new Uint8Array(0), /the end of the zip file is missing/],
  notNpy: [rawZip([{ name: 'a.py', data: one }]), /a\.py: not an npz file/],
  newline: [rawZip([{ name: 'a\nb', data: one }]), /a\\u000ab: not an npz file/],
  longName: [rawZip([{ name: 'a'.repeat(60_000), data: one }]), /a…: not an npz file/],
  traversal: [rawZip([{ name: '../a.npy', data: one }]), /refused: a member is called "\.\.\/a\.npy"/],
  bomb: [
    rawZip([{ name: 'a.npy', data: new Uint8Array(0), packed: deflatedZeros(512), method: 8, size: 512 * 2 ** 20 }]),
    /refused/,
  ],
  objectsInside: [
    rawZip([{ name: 'a.npy', data: npy(dict("'|O'", '(1,)'), 4) }]),
    /a\.npy: refused: an array of Python/,
  ],
}

function named(ending: string, files: Record<string, readonly [Uint8Array, RegExp]>): HostileFile[] {
  return Object.entries(files).map(([name, [bytes, reason]]) => ({ name: `${name}.${ending}`, bytes, reason }))
}

export const hostileTensorFiles: readonly HostileFile[] = [
  ...named('safetensors', safetensorsFiles),
  ...named('npy', npyFiles),
  ...named('npz', npzFiles),
]

/** Writes hostile files into the folder named on the command line, if this module is the one being run. */
export function writeWhenRun(moduleUrl: string, files: readonly HostileFile[]): void {
  if (moduleUrl !== pathToFileURL(process.argv[1] ?? '').href) return
  const folder = process.argv[2] ?? 'hostile'
  mkdirSync(folder, { recursive: true })
  for (const { name, bytes } of files) writeFileSync(join(folder, name), bytes)
}

writeWhenRun(import.meta.url, hostileTensorFiles)
