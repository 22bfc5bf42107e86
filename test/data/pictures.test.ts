/** Picture files to bytes and back; hostile and odd ones. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp, { type Sharp } from 'sharp'
import { decodePicture, encodePng, pictureSize } from '../../src/data/index.node.js'
import { temporaryFolder, writeFiles } from './helpers.js'

const three = { width: 4, height: 4, channels: 3 }
const svg = new TextEncoder().encode(
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
)

/** A picture of one colour. */
function plain(width: number, height: number, background: string): Sharp {
  return sharp({ create: { width, height, channels: 4, background } })
}

/** A picture of 4×4 with the upper half of one colour and the lower half of another. */
async function halves(upper: readonly number[], lower: readonly number[]): Promise<Sharp> {
  const rgb = Uint8Array.from({ length: 48 }, (_, i) => (i < 24 ? upper : lower)[i % 3] ?? 0)
  return sharp(rgb, { raw: { width: 4, height: 4, channels: 3 } })
}

test('a picture comes out as planes, exactly as encodePng took it', async (t) => {
  const rgb = Uint8Array.from({ length: 48 }, (_, i) => i * 5)
  const png = await encodePng(rgb, 4, 4)
  assert.deepEqual(await encodePng(rgb, 4, 4), png)
  const planes = Uint8Array.from({ length: 48 }, (_, i) => rgb[(i % 16) * 3 + Math.floor(i / 16)] ?? 0)
  assert.deepEqual(await decodePicture(png, three), planes)
  const folder = writeFiles(temporaryFolder(t), { 'a.png': png })
  assert.deepEqual(await decodePicture(join(folder, 'a.png'), three), planes)
})

test('the same pixels give the same file, and a wrong length is refused', async () => {
  await assert.rejects(encodePng(new Uint8Array(47), 4, 4), /47 bytes are no picture of 4×4/)
})

test('jpeg, gif and webp are read; grey, transparent, 16-bit and CMYK pictures become what was asked for', async () => {
  const red = plain(9, 6, '#f00')
  for (const bytes of [await red.clone().webp({ lossless: true }).toBuffer(), await red.clone().gif().toBuffer()]) {
    assert.deepEqual(await decodePicture(bytes, three), new Uint8Array(48).fill(255, 0, 16))
  }
  const jpeg = await decodePicture(await red.clone().jpeg({ quality: 100 }).toBuffer(), three)
  assert.ok((jpeg[0] ?? 0) > 250 && (jpeg[16] ?? 255) < 5)
  const clear = await decodePicture(await plain(4, 4, 'rgba(255, 0, 0, 0)').png().toBuffer(), three)
  assert.deepEqual(clear, new Uint8Array(48))
  const deep = await plain(4, 4, '#808080').toColourspace('rgb16').png().toBuffer()
  assert.deepEqual(await decodePicture(deep, three), new Uint8Array(48).fill(128))
  const cmyk = await plain(4, 4, '#fff').toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer()
  assert.ok((await decodePicture(cmyk, three)).every((value) => value > 245))
  const grey = await plain(4, 4, '#646464').toColourspace('b-w').png().toBuffer()
  assert.deepEqual(await decodePicture(grey, three), new Uint8Array(48).fill(100))
  const one = await decodePicture(await plain(4, 4, '#646464').png().toBuffer(), { ...three, channels: 1 })
  assert.deepEqual(one, new Uint8Array(16).fill(100))
})

test('EXIF turns a picture upright', async () => {
  const upsideDown = await (await halves([0, 0, 255], [255, 0, 0])).withMetadata({ orientation: 3 }).png().toBuffer()
  const pixels = await decodePicture(upsideDown, three)
  assert.deepEqual([pixels[0], pixels[15], pixels[32], pixels[47]], [255, 0, 0, 255])
})

test('a picture of other proportions is cropped in the middle', async () => {
  const wide = await sharp(
    Uint8Array.from({ length: 36 }, (_, i) => [9, 50, 50, 9][Math.floor(i / 3) % 4] ?? 0),
    { raw: { width: 4, height: 3, channels: 3 } },
  )
    .extract({ left: 0, top: 0, width: 4, height: 2 })
    .png()
    .toBuffer()
  const pixels = await decodePicture(wide, { width: 2, height: 2, channels: 3 })
  assert.deepEqual(pixels, new Uint8Array(12).fill(50))
})

test("'contain' keeps the whole picture between black bars, 'fill' squeezes it", async () => {
  const wide = await plain(8, 4, '#fff').png().toBuffer()
  const of = (fit: 'contain' | 'fill') => decodePicture(wide, { width: 4, height: 4, channels: 1, fit })
  assert.deepEqual(await of('contain'), new Uint8Array(16).fill(255, 4, 12))
  assert.deepEqual(await of('fill'), new Uint8Array(16).fill(255))
})

test('the size is that of the picture turned upright', async () => {
  const lying = await plain(8, 4, '#fff').withMetadata({ orientation: 6 }).jpeg().toBuffer()
  assert.deepEqual(await pictureSize(lying, 'lying.jpg'), { width: 4, height: 8 })
  await assert.rejects(pictureSize(svg, 'a.svg'), /^LenetError: a\.svg cannot be read as a picture/)
})

test('an animated picture gives its first frame', async () => {
  const frames = await Promise.all(['#f00', '#00f'].map((colour) => plain(4, 4, colour).png().toBuffer()))
  const gif = await sharp(frames, { join: { animated: true } })
    .gif({ loop: 0 })
    .toBuffer()
  assert.deepEqual(await decodePicture(gif, three), new Uint8Array(48).fill(255, 0, 16))
})

const png = await plain(64, 64, '#123456').png().toBuffer()
const giant = Buffer.from(png)
giant.writeUInt32BE(60_000, 16)
giant.writeUInt32BE(60_000, 20)
const refused: readonly (readonly [string, Uint8Array])[] = [
  ['an SVG', svg],
  ['a TIFF', await plain(9, 9, '#f00').tiff().toBuffer()],
  ['an empty file', new Uint8Array(0)],
  ['text', new TextEncoder().encode('hello, I am a picture')],
  ['a PNG cut off', png.subarray(0, png.length - 20)],
  ['a PNG that claims 3.6 billion pixels', giant],
]
test('a limit of pixels is told as such', async () => {
  await assert.rejects(decodePicture(giant, three), /it claims more than 100,000,000 pixels$/)
})

for (const [what, bytes] of refused) {
  test(`${what} is refused in one line that names it`, async (t) => {
    const folder = writeFiles(temporaryFolder(t), { 'cat.jpg': bytes })
    for (const input of [bytes, join(folder, 'cat.jpg')]) {
      await assert.rejects(decodePicture(input, three, 'cat.jpg'), (error: Error) => {
        assert.equal(error.name, 'LenetError')
        assert.match(error.message, /^cat\.jpg cannot be read as a picture \(JPEG, PNG, GIF and WebP can\): .+$/)
        return true
      })
    }
  })
}

test('sharp is not loaded until a picture is', () => {
  const door = new URL('../../src/data/index.node.js', import.meta.url).href
  const script = `await import(${JSON.stringify(door)}); const seen = process.report.getReport().sharedObjects; console.log(seen.some((path) => path.includes('vips')))`
  assert.equal(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).trim(),
    'false',
  )
})
