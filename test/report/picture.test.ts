/** Which way a terminal shows pictures, half-blocks pixel by pixel, and the two protocols byte by byte. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  colourDepth,
  halfBlocks,
  itermPicture,
  kittyPicture,
  pictureWay,
  type RgbPicture,
  shrinkPicture,
  terminalPicture,
  xterm256,
} from '../../src/report/index.js'

const terminal = (env: Record<string, string>, isTTY = true) => ({ isTTY, env, columns: 80 })

/** 2×3: red green / blue white / black grey. */
const SIX: RgbPicture = {
  width: 2,
  height: 3,
  data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 128, 128, 128),
}

test('colours: NO_COLOR, pipes and dumb terminals have none; COLORTERM, programs and TERM tell the rest', () => {
  const cases: [Record<string, string>, string][] = [
    [{ COLORTERM: 'truecolor' }, 'truecolor'],
    [{ COLORTERM: '24bit', NO_COLOR: '1' }, 'none'],
    [{ TERM: 'dumb', COLORTERM: 'truecolor' }, 'none'],
    [{ TERM: 'xterm-256color' }, '256'],
    [{ TERM: 'xterm-256color', TERM_PROGRAM: 'vscode' }, 'truecolor'],
    [{ TERM: 'xterm-direct' }, 'truecolor'],
    [{ WT_SESSION: 'x' }, 'truecolor'],
    [{ TERM: 'vt100' }, 'none'],
    [{}, 'none'],
  ]
  for (const [env, depth] of cases) assert.equal(colourDepth(terminal(env)), depth, JSON.stringify(env))
  assert.equal(colourDepth(terminal({ COLORTERM: 'truecolor' }, false)), 'none')
})

test('pictures: Kitty and iTerm where they are, half-blocks in tmux, nothing in a pipe', () => {
  const cases: [Record<string, string>, string][] = [
    [{ KITTY_WINDOW_ID: '1', TERM: 'xterm-kitty' }, 'kitty'],
    [{ TERM_PROGRAM: 'ghostty' }, 'kitty'],
    [{ TERM_PROGRAM: 'iTerm.app' }, 'iterm'],
    [{ TERM_PROGRAM: 'WezTerm' }, 'iterm'],
    [{ LC_TERMINAL: 'iTerm2', TERM: 'xterm-256color' }, 'iterm'],
    [{ KITTY_WINDOW_ID: '1', TMUX: '/tmp/x', TERM: 'tmux-256color' }, '256'],
    [{ TERM_PROGRAM: 'iTerm.app', TERM: 'screen-256color', COLORTERM: 'truecolor' }, 'truecolor'],
    [{ TERM: 'xterm-256color' }, '256'],
    [{ TERM: 'dumb', KITTY_WINDOW_ID: '1' }, 'none'],
    [{}, 'none'],
  ]
  for (const [env, way] of cases) assert.equal(pictureWay(terminal(env)), way, JSON.stringify(env))
  assert.equal(pictureWay(terminal({ KITTY_WINDOW_ID: '1' }, false)), 'none')
})

test('half-blocks: upper pixel is the text, lower the ground; an odd last row has no ground', () => {
  assert.equal(
    halfBlocks(SIX),
    [
      '\x1b[38;2;255;0;0m\x1b[48;2;0;0;255m▀\x1b[38;2;0;255;0m\x1b[48;2;255;255;255m▀\x1b[0m',
      '\x1b[38;2;0;0;0m▀\x1b[38;2;128;128;128m▀\x1b[0m',
    ].join('\n'),
  )
  const two: RgbPicture = { width: 2, height: 1, data: Uint8Array.of(255, 0, 0, 255, 0, 0) }
  assert.equal(halfBlocks(two, 80, '256'), '\x1b[38;5;196m▀▀\x1b[0m')
})

test('256 colours: corners, greys, and never another number', () => {
  assert.deepEqual([xterm256(0, 0, 0), xterm256(255, 255, 255), xterm256(255, 0, 0)], [16, 231, 196])
  assert.deepEqual([xterm256(8, 8, 8), xterm256(238, 238, 238), xterm256(128, 128, 128)], [232, 255, 244])
  assert.equal(xterm256(95, 135, 175), 67)
  const byte = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(byte, byte, byte, (r, g, b) => {
      const index = xterm256(r, g, b)
      assert.ok(Number.isInteger(index) && index >= 16 && index <= 255)
    }),
  )
})

test('shrinking keeps proportions, averages, and leaves what fits', () => {
  assert.equal(shrinkPicture(SIX, 2), SIX)
  const four: RgbPicture = { width: 4, height: 2, data: Uint8Array.from({ length: 24 }, (_, i) => (i < 12 ? 0 : 100)) }
  assert.deepEqual(shrinkPicture(four, 2), { width: 2, height: 1, data: new Uint8Array(6).fill(50) })
  const wide: RgbPicture = { width: 100, height: 1, data: new Uint8Array(300).fill(7) }
  assert.deepEqual(shrinkPicture(wide, 3), { width: 3, height: 1, data: new Uint8Array(9).fill(7) })
})

test('a picture whose bytes do not fit its size is an error that says both', () => {
  const wrong: RgbPicture = { width: 2, height: 2, data: new Uint8Array(5) }
  assert.throws(() => halfBlocks(wrong), { name: 'LenetError', message: /2×2 needs 12 bytes .* got 5$/ })
})

test('Kitty: pieces of 4096, the first with the commands, the last says no more', () => {
  const png = Uint8Array.from({ length: 7000 }, (_, i) => i % 251)
  const pieces = [...kittyPicture(png).matchAll(/\x1b_G([^;]*);([^\x1b]*)\x1b\\/g)]
  assert.deepEqual(
    pieces.map(([, control]) => control),
    ['a=T,f=100,q=2,m=1', 'm=1', 'm=0'],
  )
  assert.ok(pieces.every(([, , text]) => (text ?? '').length <= 4096))
  const joined = pieces.map(([, , text]) => text).join('')
  assert.deepEqual(new Uint8Array(Buffer.from(joined, 'base64')), png)
  assert.equal(kittyPicture(Uint8Array.of(1, 2, 3)), '\x1b_Ga=T,f=100,q=2,m=0;AQID\x1b\\')
})

test('iTerm: one code with the size and the bytes', () => {
  const text = itermPicture(Uint8Array.of(1, 2, 3))
  assert.equal(text, '\x1b]1337;File=inline=1;size=3;preserveAspectRatio=1:AQID\x07')
})

test('terminalPicture takes the best way, half-blocks when there is no PNG, nothing in a pipe', () => {
  const png = Uint8Array.of(1, 2, 3)
  const kitty = terminal({ KITTY_WINDOW_ID: '1' })
  assert.equal(terminalPicture(SIX, kitty, png), kittyPicture(png))
  assert.equal(terminalPicture(SIX, kitty), halfBlocks(SIX))
  assert.equal(terminalPicture(SIX, terminal({ TERM_PROGRAM: 'iTerm.app' }), png), itermPicture(png))
  assert.equal(terminalPicture(SIX, terminal({ TERM: 'xterm-256color' }), png), halfBlocks(SIX, 80, '256'))
  assert.equal(terminalPicture(SIX, terminal({ COLORTERM: 'truecolor' }, false), png), '')
})
