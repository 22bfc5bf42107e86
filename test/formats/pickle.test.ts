/** The pickle machine against pickles by Python's and NumPy's own picklers, and against hostile ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LenetError } from '../../src/base/errors.js'
import { NumpyArray, numpyGlobals, PickleCallable, unpickle, type PickleValue } from '../../src/formats/index.js'
import { base64Fixtures, bytesOf, pick } from './helpers.js'
import { assertRefused } from './refusal.js'

const files = base64Fixtures('pickles.json')
const none = (): undefined => undefined
const setGlobals = (module: string, name: string): PickleCallable | undefined =>
  (module === 'builtins' || module === '__builtin__') && name === 'set'
    ? new PickleCallable('builtins.set', ([items]) => new Set(Array.isArray(items) ? items : []))
    : numpyGlobals(module, name)

function dictOf(name: string): Map<PickleValue, PickleValue> {
  const bytes = pick(files, name)
  const { value, end } = unpickle(bytes, setGlobals)
  assert.ok(value instanceof Map)
  assert.equal(end, bytes.length)
  return value
}

function array(value: PickleValue | undefined): NumpyArray {
  assert.ok(value instanceof NumpyArray)
  return value
}

for (const protocol of [0, 1, 2, 3, 4, 5]) {
  test(`plain Python values, protocol ${protocol}`, () => {
    const dict = dictOf(`plain${protocol}`)
    assert.equal(dict.get('none'), null)
    assert.deepEqual(dict.get('flags'), [true, false])
    const small = [0, 1, 255, 256, 65535, 65536, -1, -128, -32769]
    const large = [2147483647, -2147483648, 2147483648, -2147483649, 2 ** 53 - 1, -(2 ** 40)]
    assert.deepEqual(dict.get('ints'), [...small, ...large])
    assert.deepEqual(dict.get('big'), [2n ** 63n, -(2n ** 63n), 2n ** 100n, -(2n ** 100n)])
    assert.deepEqual(dict.get('floats'), [0.5, -1e-300, 1e300, Infinity])
    assert.equal(dict.get('text'), 'naïve \u20ac \u{1f600} \\ \n \'"')
    assert.deepEqual(dict.get('bytes'), new Uint8Array([0, 128, 255]))
    assert.deepEqual(dict.get('tuple'), [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4]])
    assert.deepEqual(dict.get('set'), new Set([1, 2]))
    assert.deepEqual(dict.get('shared'), [[1], [1]])
  })

  test(`a CIFAR batch with a numpy array, protocol ${protocol}`, () => {
    const { value } = unpickle(pick(files, `batch${protocol}`), numpyGlobals)
    assert.ok(value instanceof Map)
    const byName = new Map(
      [...value].map(([key, item]) => [Buffer.from(key instanceof Uint8Array ? key : []).toString(), item]),
    )
    const data = array(byName.get('data'))
    assert.equal(data.dtype, '|u1')
    assert.deepEqual(data.shape, [4, 12])
    assert.deepEqual(
      [...data.data],
      Array.from({ length: 48 }, (_, i) => i),
    )
    assert.deepEqual(byName.get('labels'), [6, 9, 200, 0])
  })

  test(`numpy dtypes, orders and scalars, protocol ${protocol}`, () => {
    const dict = dictOf(`arrays${protocol}`)
    const f4 = array(dict.get('f4'))
    assert.equal(f4.dtype, '<f4')
    assert.deepEqual([...new Float32Array(f4.data.slice().buffer)], [1.5, -2, 3, 0.25])
    assert.equal(array(dict.get('big')).dtype, '>i4')
    assert.deepEqual([...array(dict.get('big')).data], [0, 0, 0, 1, 0, 0, 0, 2])
    assert.deepEqual([...array(dict.get('fortran')).data], [0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0])
    assert.deepEqual(array(dict.get('empty')).shape, [0, 3])
    assert.equal(dict.get('scalar'), 0.625)
    assert.equal(dict.get('int'), -7)
  })
}

test("a batch as Python 2 wrote it: byte strings are texts, the array's bytes are bytes", () => {
  const dict = dictOf('python2')
  assert.deepEqual(dict.get('labels'), [6, 9])
  assert.deepEqual(
    [...array(dict.get('data')).data],
    Array.from({ length: 48 }, (_, i) => i),
  )
})

test('a __proto__ key stays a key', () => {
  const dict = dictOf('plain2').get('dict')
  assert.deepEqual(dict, new Map<PickleValue, PickleValue>([['__proto__', 1], ['constructor', 2], [3, 'three']])) // prettier-ignore
  assert.equal(Object.hasOwn(Object.prototype, '1'), false)
})

const refuses = (bytes: Uint8Array, message: RegExp): void =>
  assertRefused(() => unpickle(bytes, numpyGlobals, { where: 'bad.pkl' }), 'bad.pkl', message)

test('globals that are not on the list are refused by name, in every form', () => {
  refuses(bytesOf('cos\nsystem\n(S"true"\ntR.'), /bad\.pkl: refused: .*"os\.system"/)
  refuses(bytesOf('\x80\x02cbuiltins\neval\nU\x011\x85R.'), /"builtins\.eval"/)
  refuses(bytesOf('(S"true"\nios\nsystem\n.'), /"os\.system"/)
  refuses(bytesOf('\x80\x04\x8c\x02os\x8c\x06system\x93.'), /"os\.system"/)
  refuses(bytesOf('cnumpy\n__proto__\n.'), /"numpy\.__proto__"/)
  refuses(bytesOf('(cnumpy\nndarray\no.'), /opcode 0x6f/)
  refuses(bytesOf('\x80\x02cnumpy\nndarray\n)\x81.'), /it calls numpy\.ndarray/)
  refuses(bytesOf('\x82\x01.'), /opcode 0x82/)
  refuses(bytesOf('}}b.'), /sets the state of a dict/)
  refuses(bytesOf('U\x03abcQ.'), /data outside/)
})

test('damage is noticed: truncation, missing marks, wrong targets', () => {
  refuses(bytesOf('B\xff\xff\xff\x7fab'), /truncated/)
  refuses(bytesOf('\x8e\xff\xff\xff\xff\xff\xff\xff\xff'), /impossible 64-bit length/)
  refuses(bytesOf('\x8b\xff\xff\xff\x7f'), /integer of/)
  refuses(bytesOf('X\x02\x00\x00\x00\xc3\x28.'), /UTF-8/)
  refuses(bytesOf('u.'), /MARK missing/)
  refuses(bytesOf('}K\x01a.'), /where a list is expected/)
  refuses(bytesOf('](K\x01K\x02u.'), /where a dict is expected/)
  refuses(bytesOf('h\x05.'), /memo 5/)
  refuses(bytesOf('Iabc\n.'), /unreadable text/)
  refuses(bytesOf('\x80\x07N.'), /protocol 7/)
  refuses(bytesOf('.'), /value missing/)
  refuses(new Uint8Array(0), /truncated/)
})

test('bombs are refused fast: nesting, cycles, many values, memo', () => {
  refuses(new Uint8Array(1_000_000).fill(40), /nests deeper/) // (((((…
  refuses(bytesOf(new Uint8Array(5000).fill(93), new Uint8Array(4999).fill(97), '.'), /nests deeper/) // ]]]aaa
  refuses(bytesOf(']q\x00h\x00a.'), /contains itself/)
  refuses(new Uint8Array(3_000_000).fill(125), /too many values/) // }}}…
  refuses(bytesOf('N', new Uint8Array(3_000_000).fill(0x94), '.'), /remembers more/)
  const doubling = Array.from({ length: 60 }, () => '\x86'.padStart(2, '2')).join('')
  assert.equal(unpickle(bytesOf('N', doubling, '.'), none).end, 122) // shared, so not walked 2^60 times
  refuses(bytesOf('N', '2\x86'.repeat(150), '.'), /nests deeper/)
})

test('array bombs are refused: a shape that its bytes do not fill', () => {
  const head = 'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01'
  const dtype = 'cnumpy\ndtype\n(U\x02u1K\x00K\x01tR'
  refuses(bytesOf(head, '(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft', dtype, '\x89U\x02abtb.'), /needs .* bytes and has 2/)
  refuses(bytesOf(head, '(J\xff\xff\xff\xfft', dtype, '\x89U\x02abtb.'), /where a size is expected/)
  refuses(bytesOf(head, '(K\x02t', dtype.replace('u1', 'O8'), '\x89U\x02abtb.'), /numeric dtype/)
})

test('whatever the bytes, the outcome is a value or a LenetError', () => {
  const seeds = [...files.values()]
  const damaged = fc.tuple(fc.nat(seeds.length - 1), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
  fc.assert(
    fc.property(damaged, ([seed, edits]) => {
      const bytes = (seeds[seed] ?? new Uint8Array(1)).slice()
      for (const [at, value] of edits) bytes[at % bytes.length] = value
      try {
        unpickle(bytes, setGlobals)
      } catch (error) {
        if (!(error instanceof LenetError)) throw error
      }
    }),
    { numRuns: 2000, seed: 1 },
  )
})
