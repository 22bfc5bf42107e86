/** Pictures drawn as SVG into files, as SVG or PNG. Not here: what they show (report). */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { writeFileAtomicSync } from '../base/fs.node.js'
import { UsageError } from '../base/index.js'

const { resolve } = createRequire(import.meta.url)

/** Letters come from a package: a machine need not have any fonts, and pictures look the same everywhere. */
function fontFiles(): string[] {
  const folder = dirname(resolve('@expo-google-fonts/inter/package.json'))
  const files = ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf']
  return files.map((name) => join(folder, name)).filter(existsSync)
}

/** A PNG of twice the size. */
async function pngOf(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js')
  const font = { fontFiles: fontFiles(), loadSystemFonts: false, defaultFontFamily: 'Inter' }
  return new Resvg(svg, { font, fitTo: { mode: 'zoom', value: 2 } }).render().asPng()
}

/** @throws UsageError unless the name ends in .svg or .png */
export function checkPictureName(flag: string, path: string): void {
  if (!/\.(?:svg|png)$/i.test(path)) throw new UsageError(`${flag} ${path}: give a name that ends in .svg or .png`)
}

/** Writes the drawing, as the name's ending says. */
export async function writePicture(path: string, svg: string): Promise<void> {
  writeFileAtomicSync(path, /\.png$/i.test(path) ? await pngOf(svg) : svg)
}
