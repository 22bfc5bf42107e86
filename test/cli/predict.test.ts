/** `lenet predict` on files good and bad: what it tells, its exit codes; hostile input ends in one clear line. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import sharp from 'sharp'
import { manualSeed, tensor } from '../../src/tensor/index.js'
import { encodePng } from '../../src/data/index.node.js'
import { LeNet } from '../../src/models/index.js'
import { save } from '../../src/nn/save.node.js'
import { eventsOf, folder, lenet, type Ended } from './run.js'

const at = folder()
const file = (name: string, bytes: Uint8Array | string): string => {
  writeFileSync(join(at, name), bytes)
  return join(at, name)
}

/** A net of random weights whose last bias makes one class win always. */
function netFor(channels: number, classes: number, winner: number): Map<string, unknown> {
  manualSeed(1)
  const net = new LeNet(channels, classes)
  const bias = Array.from({ length: classes }, (_, i) => (i === winner ? 5 : 0))
  return new Map<string, unknown>([...net.stateDict(), ['fc3.bias', tensor(bias)]])
}

const saved = (name: string, value: unknown): string => {
  save(value, join(at, name))
  return join(at, name)
}

const cats = saved('cats.pth', netFor(3, 10, 3))
const grey = (shade: number): Uint8Array => new Uint8Array(32 * 32 * 3).fill(shade)
const dark = file('dark.png', await encodePng(grey(20), 32, 32))
const light = file('light.png', await encodePng(grey(220), 32, 32))
const text = file('words.png', 'hello, I am a picture')

interface Prediction {
  readonly class: string
  readonly index: number
  readonly probability: number
}
const topOf = (event: Record<string, unknown> | undefined): Prediction[] => event?.['top'] as Prediction[]
const namesOf = (event: Record<string, unknown> | undefined): unknown[] => [event?.['event'], topOf(event)?.[0]?.class]

async function json(...args: string[]): Promise<Ended & { events: Record<string, unknown>[] }> {
  const ended = await lenet(['predict', ...args, '--json'])
  return { ...ended, events: eventsOf(ended.stdout) }
}

test('one picture: five classes in a table, with bars and per cent', async () => {
  const { code, stdout, stderr } = await lenet(['predict', cats, dark])
  assert.deepEqual([code, stderr], [0, ''])
  const lines = stdout.trimEnd().split('\n')
  assert.match(lines[0] ?? '', /^picture +class +probability$/)
  assert.ok(lines[2]?.startsWith(`${dark}  cat `))
  assert.match(lines[2] ?? '', /cat +━{17,20}[━╸─]* +9\d\.\d %$/)
  assert.equal(lines.length, 2 + 5 + 2)
  assert.match(lines[7] ?? '', /^1 picture in [\d.]+ s on \w+, \d+ threads?$/)
  assert.match(lines[8] ?? '', /^class names: cifar10 \(a guess.*\); pictures went in as \(x \/ 255 − 0\.5\) \/ 0\.5$/)
})

test('several pictures: one line each; --top says otherwise', async () => {
  const one = await lenet(['predict', cats, dark, light])
  assert.equal(one.stdout.trimEnd().split('\n').length, 2 + 2 + 2)
  const three = await lenet(['predict', cats, dark, light, '--top', '3'])
  assert.equal(three.stdout.trimEnd().split('\n').length, 2 + 6 + 2)
})

test('--json: a prediction a picture, best first, and done', async () => {
  const { code, stderr, events } = await json(cats, dark, light, '--top', '20', '--threads', '1', '--device', 'wasm')
  assert.deepEqual([code, stderr], [0, ''])
  assert.deepEqual(
    events.map(({ event, picture }) => [event, picture]),
    [
      ['prediction', dark],
      ['prediction', light],
      ['done', undefined],
    ],
  )
  const top = topOf(events[0])
  assert.deepEqual([top.length, top[0]?.index, top[0]?.class], [10, 3, 'cat'])
  const shares = top.map(({ probability }) => probability)
  assert.deepEqual(
    shares,
    shares.toSorted((a, b) => b - a),
  )
  assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-5)
  const { seconds, ...done } = events[2] ?? {}
  assert.ok(Number(seconds) > 0)
  assert.deepEqual(done, { event: 'done', count: 2, failed: 0, device: 'wasm', threads: 1, classes: 'cifar10' })
})

test('a folder stands for its pictures, sorted; a file that is no picture by its name is left out', async () => {
  const dir = join(at, 'some')
  mkdirSync(dir)
  for (const name of ['b.png', 'a.PNG', 'c.txt', '.hidden.png'])
    writeFileSync(join(dir, name), await encodePng(grey(9), 32, 32))
  mkdirSync(join(dir, 'd.png'))
  const { events } = await json(cats, dir, dark)
  assert.deepEqual(
    events.map(({ picture }) => picture),
    [join(dir, 'a.PNG'), join(dir, 'b.png'), join(dir, 'd.png'), dark, undefined],
  )
})

test('a broken picture among others is told, the others go on, exit code 1', async () => {
  const { code, stdout, stderr } = await lenet(['predict', cats, dark, text, join(at, 'none.png'), light])
  assert.equal(code, 1)
  const told = stderr.trimEnd().split('\n')
  assert.equal(told.length, 2)
  assert.match(told[0] ?? '', /^lenet: .*words\.png cannot be read as a picture \(JPEG, PNG, GIF and WebP can\): /)
  assert.match(told[1] ?? '', /^lenet: cannot read .*none\.png: there is no such file$/)
  assert.match(stdout, /dark\.png +cat[^]*light\.png +cat[^]*\n2 pictures in .*, 2 could not be read\n/)
  const again = await json(cats, text, dark)
  assert.equal(again.code, 1)
  assert.deepEqual(
    again.events.map(({ event }) => event),
    ['failed', 'prediction', 'done'],
  )
  assert.match(again.stderr, /^lenet: [^\n]*words\.png[^\n]*\n$/)
})

test('the whole batch is told where it is larger than one run of the net', async () => {
  const many = Array.from({ length: 300 }, (_, i) => (i === 280 ? light : i === 270 ? text : dark))
  const { events } = await json(cats, ...many)
  assert.equal(events.length, 301)
  assert.deepEqual([events[270]?.['event'], events[280]?.['picture'], events[300]?.['count']], ['failed', light, 299])
})

test('class names: of the file, of --classes, of a file of names, of a folder; else numbers', async () => {
  const two = saved('two.pth', netFor(3, 2, 1))
  assert.deepEqual(namesOf((await json(two, dark)).events[0]), ['prediction', '1'])
  assert.deepEqual(namesOf((await json(two, dark, '--classes', 'day, night')).events[0]), ['prediction', 'night'])
  const list = file('names.txt', 'sun\nmoon and stars\n')
  assert.deepEqual(namesOf((await json(two, dark, '--classes', list)).events[0]), ['prediction', 'moon and stars'])
  const dir = folder()
  for (const name of ['left', 'right']) {
    mkdirSync(join(dir, name))
    for (let i = 0; i < 5; i++) writeFileSync(join(dir, name, `${i}.png`), await encodePng(grey(9), 32, 32))
  }
  assert.deepEqual(namesOf((await json(two, dark, '--data', dir)).events[0]), ['prediction', 'right'])
  const own = saved(
    'own.pth',
    new Map<string, unknown>([
      ['model', netFor(3, 2, 0)],
      ['classes', ['yes', 'no']],
    ]),
  )
  const found = (await json(own, dark)).events
  assert.deepEqual([namesOf(found[0])[1], found[1]?.['classes']], ['yes', own])
})

test('a net of one channel takes colour pictures as grey', async () => {
  const digits = saved('digits.pth', netFor(1, 10, 7))
  const red = file(
    'red.jpg',
    await sharp(Buffer.from(grey(99)), { raw: { width: 32, height: 32, channels: 3 } })
      .jpeg()
      .toBuffer(),
  )
  const { events } = await json(digits, red)
  assert.deepEqual([namesOf(events[0]), events[1]?.['classes']], [['prediction', '7'], 'mnist'])
})

test('a digit of 28×28 stands in a margin, as for training: the same as one that has the margin already', async () => {
  const digits = saved('digits2.pth', netFor(1, 10, 7))
  const side = 28
  const inner = Uint8Array.from({ length: side * side * 3 }, (_, i) => (Math.floor(i / 3) * 7) % 256)
  const outer = new Uint8Array(32 * 32 * 3)
  for (let y = 0; y < side; y++) outer.set(inner.subarray(y * side * 3, (y + 1) * side * 3), ((y + 2) * 32 + 2) * 3)
  const small = file('digit28.png', await encodePng(inner, side, side))
  const large = file('digit32.png', await encodePng(outer, 32, 32))
  const { events } = await json(digits, small, large)
  assert.deepEqual(topOf(events[0]), topOf(events[1]))
  const other = await json(digits, small, '--classes', 'a,b,c,d,e,f,g,h,i,j')
  assert.notDeepEqual(topOf(other.events[0])[0]?.probability, topOf(events[0])[0]?.probability)
})

test('of a picture of other proportions the middle is looked at, and that is told; --fit says otherwise', async () => {
  const wide = file('wide.png', await encodePng(new Uint8Array(96 * 32 * 3).fill(9), 96, 32))
  const cover = await lenet(['predict', cats, wide])
  assert.equal(cover.code, 0)
  assert.match(cover.stderr, /^lenet: .*wide\.png \(96×32\): only the middle was looked at; --fit contain .*\n$/)
  assert.deepEqual(
    (await json(cats, wide, wide)).events.map(({ event }) => event),
    ['prediction', 'prediction', 'notice', 'done'],
  )
  for (const fit of ['contain', 'fill']) assert.equal((await lenet(['predict', cats, wide, '--fit', fit])).stderr, '')
})

test('a name with control characters does not reach the terminal', async () => {
  const name = file('a\x1b[2J\nb.png', await encodePng(grey(9), 32, 32))
  const { code, stdout } = await lenet(['predict', cats, name])
  assert.equal(code, 0)
  assert.match(stdout, /a\?\[2J\?b\.png +cat/)
})

function assertError({ code, stdout, stderr }: Ended, expected: number, pattern: RegExp): void {
  assert.equal(code, expected, stderr)
  assert.match(stderr, pattern)
  assert.match(stderr, /^lenet: [^\n]+\n$/, 'one line')
  assert.equal(stdout, '')
}

/** A net of a user's own that wants other pictures. */
const wrong = `import { nn } from 'lenet'
export default class Wide extends nn.Module {
  constructor() { super(); this.conv1 = new nn.Conv2d(3, 2, 3); this.fc = new nn.Linear(8, 2) }
  forward(x) { return this.fc(this.conv1(x).flatten(1)) }
}
`

describe('what cannot be done ends in one line', () => {
  const nan = new Map([...netFor(3, 10, 0), ['fc3.bias', tensor(new Array<number>(10).fill(NaN))]])
  const cases: readonly (readonly [string, () => string[], number, RegExp])[] = [
    ['no picture', () => [cats], 2, /missing required argument 'picture'/],
    ['a model that is not there', () => [join(at, 'no.pth'), dark], 1, /no\.pth: there is no such file/],
    ['a picture for a model', () => [dark, cats], 1, /dark\.png/],
    ['an empty folder', () => [cats, folder()], 1, /there are no pictures \(PNG, JPEG, GIF, WebP\)/],
    ['weights that are no numbers', () => [saved('nan.pth', nan), dark], 1, /NaN/],
    ['--top 0', () => [cats, dark, '--top', '0'], 2, /--top.*whole number/],
    ['--fit', () => [cats, dark, '--fit', 'crop'], 2, /--fit crop: there are cover, contain, fill/],
    ['too few names', () => [cats, dark, '--classes', 'a,b'], 1, /--classes has 2 class names, .* tells 10 classes/],
    ['an empty name', () => [cats, dark, '--classes', 'a,,b'], 2, /a name is empty/],
    [
      'data of other classes',
      () => [saved('3.pth', netFor(3, 3, 0)), dark, '--data', 'mnist'],
      1,
      /mnist has 10 class/,
    ],
    ['no such data', () => [cats, dark, '--data', './nothing'], 2, /no such data set or folder/],
    ['a contradicting --model', () => [cats, dark, '--model', 'lenet1'], 1, /holds a lenet.*not the lenet1/],
    [
      'a net for pictures of another size',
      () => {
        const weights = new Map<string, unknown>([
          ['conv1.weight', tensor(new Float32Array(54), { shape: [2, 3, 3, 3] })],
          ['conv1.bias', tensor([0, 0])],
          ['fc.weight', tensor(new Float32Array(16), { shape: [2, 8] })],
          ['fc.bias', tensor([0, 0])],
        ])
        return [saved('wide.pth', weights), dark, '--model', file('wide.ts', wrong)]
      },
      1,
      /wide\.pth: Wide cannot classify pictures of 3×32×32/,
    ],
  ]
  for (const [name, args, code, pattern] of cases)
    test(name, async () => assertError(await lenet(['predict', ...args()]), code, pattern))
})

test('pictures that cannot be read: each in one line', async () => {
  const png = await encodePng(grey(9), 32, 32)
  const giant = Buffer.from(png)
  giant.writeUInt32BE(60_000, 16)
  giant.writeUInt32BE(60_000, 20)
  const bad: readonly (readonly [string, RegExp])[] = [
    [file('empty.png', ''), /empty\.png: it is empty/],
    [file('cut.png', png.subarray(0, png.length - 20)), /cut\.png cannot be read as a picture/],
    [file('giant.png', giant), /giant\.png cannot be read .* 100,000,000 pixels/],
    [
      file('drawing.svg', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
      /drawing\.svg cannot be read/,
    ],
    [join(dark, 'below.png'), /below\.png/],
    [folder(), /there are no pictures \(PNG, JPEG, GIF, WebP\) in that folder/],
    ...(process.platform === 'win32' ? [] : ([['/dev/zero', /\/dev\/zero: it is no file/]] as const)),
  ]
  const { code, stdout, stderr } = await lenet(['predict', cats, ...bad.map(([path]) => path)])
  assert.equal(code, 1)
  const told = stderr.trimEnd().split('\n')
  assert.equal(told.length, bad.length)
  bad.forEach(([, pattern], i) => assert.match(told[i] ?? '', pattern))
  assert.equal(stdout, '')
})
