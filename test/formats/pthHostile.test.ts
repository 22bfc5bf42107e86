/**
 * Hostile and damaged .pth files, made here by hand: each is refused with one sentence, by few steps and without
 * much memory.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LenetError } from '../../src/base/errors.js'
import { readPth, selectStateDict, writeZip } from '../../src/formats/index.js'
import { base64Fixtures, bytesOf, pick } from './helpers.js'
import { deflatedZeros, rawZip } from './rawZip.js'
import { assertRefused } from './refusal.js'
import { countSteps } from './steps.js'

const files = base64Fixtures('pth.json')

/** A shape of many large sizes is told whole. */
const refuses = (bytes: Uint8Array, message: RegExp): void =>
  assertRefused(() => readPth(bytes, 'bad.pth'), 'bad.pth', message, 2000)

/** A .pth of this pickle and one storage "0" of these bytes. */
function pth(pickle: Uint8Array, storage = new Uint8Array(24)): Uint8Array {
  return writeZip([
    ['x/data.pkl', pickle],
    ['x/data/0', storage],
  ])
}

const text = (value: string): Uint8Array => bytesOf('\x8c', value.length, value)
const long = (value: bigint): Uint8Array => bytesOf('\x8a\x08', new Uint8Array(BigInt64Array.of(value).buffer))
const tuple = (values: readonly bigint[]): Uint8Array => bytesOf('(', ...values.map(long), 't')

interface View {
  count?: bigint
  offset?: bigint
  shape: readonly bigint[]
  strides: readonly bigint[]
  key?: string
}

/** Opcodes that push a float32 tensor. */
function tensor({ count = 6n, offset = 0n, shape, strides, key = '0' }: View): Uint8Array {
  const id = bytesOf('(', text('storage'), 'ctorch\nFloatStorage\n', text(key), text('cpu'), long(count), 'tQ')
  const head = bytesOf('ctorch._utils\n_rebuild_tensor_v2\n(', id, long(offset), tuple(shape), tuple(strides))
  return bytesOf(head, '\x89ccollections\nOrderedDict\n)RtR')
}

const state = (...values: Uint8Array[]): Uint8Array =>
  bytesOf('\x80\x04}(', ...values.flatMap((value, i) => [text(`w${i}`), value]), 'u.')
const good: View = { shape: [2n, 3n], strides: [3n, 1n] }

test('the hand-made file is good when it is honest', () => {
  const { tensors } = readPth(pth(state(tensor(good))), 'good.pth')
  assert.deepEqual(tensors.get('w0')?.shape, [2, 3])
})

test('pickles that call something are refused wherever they hide', () => {
  const system = bytesOf('cposix\nsystem\n', text('true'), '\x85R')
  refuses(pth(bytesOf('\x80\x02', system, '.')), /data\.pkl: refused: .*"posix\.system".*nothing was run/)
  refuses(pth(state(tensor(good), system)), /"posix\.system"/)
  refuses(pth(state(bytesOf('(', text('true'), 'ios\nsystem\n'))), /"os\.system"/)
  refuses(pth(state(bytesOf(text('builtins'), text('eval'), '\x93', text('1'), '\x85\x81'))), /"builtins\.eval"/)
  refuses(pth(bytesOf('ccollections\nOrderedDict\n)R}', text('_metadata'), system, 'sb.')), /"posix\.system"/)
  refuses(pth(bytesOf('ctorch.hub\nload\n', text('x'), '\x85R.')), /"torch\.hub\.load"/)
  refuses(pth(bytesOf('ctorch.storage\n_load_from_bytes\nC\x01a\x85R.')), /_load_from_bytes/)
  const fromType = bytesOf(
    'ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\ndevice\nctorch\nTensor\n',
    text('cpu'),
    '\x85}tR.',
  )
  refuses(pth(fromType), /where a rebuild function is expected/)
})

test('BUILD changes nothing but the attributes of an OrderedDict', () => {
  refuses(pth(bytesOf(tensor(good), '}b.')), /sets the state of a tensor/)
  refuses(pth(bytesOf('ccollections\nOrderedDict\n)RK\x01b.')), /attributes of a dict/)
})

test('views that leave their storage are refused with their key, sizes and what is there', () => {
  const cases: View[] = [
    { shape: [2n, 4n], strides: [4n, 1n] },
    { shape: [2n, 3n], strides: [4n, 1n] },
    { ...good, offset: 1n },
    { ...good, offset: 2n ** 53n - 1n },
    { shape: [1n], strides: [1n], offset: 6n },
    { shape: [2n ** 52n, 2n ** 52n], strides: [0n, 0n] },
    { shape: Array<bigint>(30).fill(2n ** 50n), strides: Array<bigint>(30).fill(2n ** 50n) },
  ]
  for (const view of cases)
    refuses(pth(state(tensor(good), tensor(view))), /bad\.pth: w1: refused: .* needs .* items and its storage has 6/)
})

test('negative, huge and contradictory numbers are refused', () => {
  refuses(pth(state(tensor({ ...good, offset: -1n }))), /-1 where a tensor's offset/)
  refuses(pth(state(tensor({ ...good, strides: [-3n, 1n] }))), /-3 where a tensor's stride/)
  refuses(pth(state(tensor({ ...good, shape: [-2n, 3n] }))), /-2 where a tensor's size/)
  refuses(pth(state(tensor({ ...good, shape: [2n ** 62n, 3n] }))), /where a tensor's size/)
  refuses(pth(state(tensor({ ...good, strides: [1n] }))), /as many strides as sizes/)
  refuses(pth(state(tensor({ ...good, count: -6n }))), /item count/)
  refuses(pth(state(tensor({ ...good, count: 7n }))), /x\/data\/0 holds 24 bytes; 7 items need 28/)
  refuses(pth(state(tensor(good), tensor({ ...good, count: 5n }))), /same storage as before/)
  refuses(pth(state(tensor({ ...good, key: '1' }))), /x\/data\/1 is missing; it should hold 24 bytes/)
  refuses(pth(state(tensor({ ...good, key: '../0' }))), /is missing/)
})

test('small files that unfold to huge ones are refused', () => {
  refuses(pth(state(tensor({ shape: [2n ** 30n], strides: [0n] }))), /w0: refused: the file is small/)
  const wide = tensor({ shape: [1000n, 1000n], strides: [0n, 0n] })
  refuses(pth(state(...Array.from({ length: 200 }, () => wide))), /unfolds to far more/)
  refuses(pth(bytesOf(']', '2\x86'.repeat(60), '.')), /unfolds to far more/) // 2^60 lists when unfolded
  refuses(pth(new Uint8Array(2_000_000).fill(40)), /nests deeper/)
  refuses(pth(bytesOf(']q\0h\0a.')), /contains itself/)
})

test('one value copied again and again is refused', () => {
  const big = bytesOf('X', new Uint8Array(Uint32Array.of(2 ** 20).buffer), 'a'.repeat(2 ** 20))
  const encode = bytesOf('c_codecs\nencode\nq\x01', text('latin1'), 'q\x02', big, 'q\x03')
  const again = 'h\x01h\x03h\x02\x86R'
  refuses(pth(bytesOf(encode, again.repeat(2000), '.')), /unfolds to far more/)
  const items = bytesOf('](', 'N'.repeat(100_000), 'eq\x01')
  refuses(pth(bytesOf(items, 'c__builtin__\nset\nq\x02', 'h\x02h\x01\x85R'.repeat(2000), '.')), /unfolds to far more/)
  const unaligned = state(
    ...Array.from({ length: 3000 }, () => tensor({ count: 2n ** 16n, shape: [2n ** 16n], strides: [1n] })),
  )
  refuses(rawZip([{ name: 'x/data.pkl', data: unaligned }, { name: 'x/data/0', data: new Uint8Array(2 ** 18) }]), /unfolds to far more/) // prettier-ignore
})

test('what is long to read takes a few steps for each value, or is refused', () => {
  refuses(pth(bytesOf('F', '1'.repeat(1_000_000), 'x\n.')), /unreadable text/)
  const ones = Array<bigint>(31).fill(1n)
  const view = { shape: [15_000_000n, ...ones], strides: [0n, ...ones] }
  const steps = countSteps()
  assert.equal(readPth(pth(state(tensor(view))), 'slow.pth').tensors.get('w0')?.data.length, 15_000_000)
  const found = steps()
  assert.ok(found < 10 * 15_000_000, `${found} steps`)
})

test('zip bombs are refused', () => {
  const zeros = deflatedZeros(512)
  const pickle = { name: 'x/data.pkl', data: state(tensor({ shape: [2n ** 27n], strides: [1n], count: 2n ** 27n })) }
  const bomb = { name: 'x/data/0', data: new Uint8Array(0), packed: zeros, method: 8 }
  refuses(rawZip([pickle, { ...bomb, size: 2 ** 29 }]), /the file is small/)
  const small = { name: 'x/data.pkl', data: state(tensor(good)) }
  refuses(rawZip([small, { ...bomb, size: 2 ** 29 }]), /holds 536870912 bytes; 6 items need 24/)
  refuses(rawZip([small, { ...bomb, size: 24 }]), /unpacks to more than the 24 bytes/)
  refuses(rawZip([{ ...bomb, name: 'x/data.pkl', size: 2 ** 29 }]), /unpacks to 536870912 bytes, at most/)
  refuses(rawZip([{ ...bomb, name: 'x/data.pkl', size: 60 * 2 ** 20 }]), /unpacks to more than/)
})

test('zip files that are no PyTorch files are refused', () => {
  const member = (name: string): readonly [string, Uint8Array] => [name, bytesOf('N.')]
  refuses(writeZip([member('data.pkl')]), /a zip file with 0 data\.pkl/)
  refuses(writeZip([member('x/data.pkl'), member('y/data.pkl')]), /a zip file with 2 data\.pkl/)
  refuses(writeZip([member('x/data.pkl'), ['x/byteorder', bytesOf('middle')]]), /'little' or 'big' is expected/)
  refuses(rawZip([{ name: '../x/data.pkl', data: bytesOf('N.') }]), /a member is called/)
  refuses(writeZip([['x\ny/data.pkl', state(tensor(good))]]), /x\\u000ay\/data\/0 is missing/)
  const long = 'x'.repeat(50_000)
  refuses(writeZip([[`${long}/data.pkl`, state(tensor(good))]]), /x… is missing/)
})

test('files of other kinds are named', () => {
  refuses(new Uint8Array(0), /it is empty/)
  refuses(bytesOf('\x89HDF\r\n\x1a\n'), /HDF5/)
  refuses(bytesOf('<!DOCTYPE html><html>'), /a web page/)
  refuses(bytesOf('version https://git-lfs.github.com/spec/v1'), /Git LFS/)
  refuses(bytesOf('\x1f\x8b\x08'), /gzip/)
  refuses(bytesOf('\x80\x02N.'), /a pickle of something else/)
  refuses(bytesOf('something'), /begins with "somethin"/)
})

test('hostile legacy files are refused', () => {
  const start = '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.'
  const legacy = tensor(good)
  const keys = bytesOf('\x80\x04]', text('0'), 'a.')
  const count = new Uint8Array(BigInt64Array.of(6n).buffer)
  const file = (...parts: (string | Uint8Array)[]): Uint8Array => bytesOf(start, ...parts)
  assert.equal(readPth(file(state(legacy), keys, count, new Uint8Array(24)), 'good.pth').tensors.size, 1)
  refuses(file(state(legacy), keys, count, new Uint8Array(23)), /24 bytes are announced/)
  refuses(file(state(legacy), keys, new Uint8Array(8).fill(255)), /impossible 64-bit length/)
  refuses(file(state(legacy), keys, new Uint8Array(8)), /storage "0" holds 0 items; 6 are expected/)
  refuses(file(state(legacy), ']', '.'), /storage "0" is missing/)
  refuses(file('cos\nsystem\n(', text('true'), 'tR.'), /"os\.system"/)
  refuses(bytesOf(start.replace('\xe9\x03', '\xe8\x03')), /its protocol is 1000; 1001 is known/)
})

test('a checkpoint without a state dict says what it holds', () => {
  const file = readPth(pth(bytesOf('}(', text('epoch'), 'K\x01', text('loss'), 'K\x02u.')), 'x.pth')
  assert.throws(() => selectStateDict(file), /x\.pth: no state dict found: the file holds a dict of epoch, loss/)
})

test('cut anywhere, a file is refused', () => {
  for (const name of ['zip', 'legacy']) {
    const bytes = pick(files, name)
    for (let length = 0; length < bytes.length; length += 7) refuses(bytes.subarray(0, length), /./)
  }
})

test('whatever the bytes, the outcome is a file or a LenetError', () => {
  const seeds = [...files.values()]
  const damaged = fc.tuple(
    fc.nat(seeds.length - 1),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
  )
  fc.assert(
    fc.property(damaged, ([seed, edits]) => {
      const bytes = (seeds[seed] ?? new Uint8Array(1)).slice()
      for (const [at, value] of edits) bytes[at % bytes.length] = value
      try {
        readPth(bytes, 'damaged.pth')
      } catch (error) {
        if (!(error instanceof LenetError)) throw error
      }
    }),
    { numRuns: 2000, seed: 1 },
  )
})
