/**
 * Parts that are programs of their own for each system and C library (sharp, resvg), for `lenet doctor`: which C library
 * this is, and which parts do not load, with what to do. They are optional to whoever trains: nothing else needs them.
 * Not here: native calls, whose reason the compile worker gives.
 */
import { createRequire } from 'node:module'
import { messageOf } from '../base/index.js'

const parts = [
  { row: 'pictures', name: 'sharp' },
  { row: 'plots as PNG', name: '@resvg/resvg-js' },
] as const

/** 'glibc 2.36', 'musl'; undefined on systems with one C library only. */
export function cLibrary(): string | undefined {
  if (process.platform !== 'linux') return undefined
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`
}

type Load = (name: string) => unknown

/** Rows for `lenet doctor`: the C library where there are several, then each part. */
export function partRows(load: Load = createRequire(import.meta.url), library = cLibrary()): string[][] {
  const rows = parts.map(({ row, name }) => [row, partText(name, load, library)])
  return library === undefined ? rows : [['C library', library], ...rows]
}

function partText(name: string, load: Load, library: string | undefined): string {
  try {
    load(name)
    return `yes (${name})`
  } catch (error) {
    const [why = ''] = messageOf(error).split('\n')
    return `no: ${why.trim()} (${remedy(why, name, library)})`
  }
}

/** Alpine has no library of C++ unless asked; and what was installed on another system is of no use here. */
function remedy(why: string, name: string, library: string | undefined): string {
  if (library === 'musl' && /\blib(?:stdc\+\+|gcc_s)\.so/.test(why)) return 'apk add libstdc++'
  const libc = library === undefined ? '' : ` --libc=${library.split(' ')[0]}`
  return `npm install --os=${process.platform} --cpu=${process.arch}${libc} ${name}`
}
