/**
 * Programs of the system: how their names are looked up and their command lines split, on POSIX systems and on Windows.
 * Not here: running them.
 */
import { accessSync, constants, statSync } from 'node:fs'
import { posix, win32 } from 'node:path'

/** What a look-up asks of the system. */
export interface ProgramHost {
  readonly platform: string
  /** Whether there is a file that can be run. */
  isProgram(path: string): boolean
}

const thisHost: ProgramHost = {
  platform: process.platform,
  isProgram: (path) => {
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  },
}

/**
 * Where a program lies. Relative folders in PATH are left out: a folder that one happens to work in must not bring one.
 * On Windows only .exe files are found: others are started by a shell, and ours starts none for them.
 * @param name a name that is looked for in PATH, or a path
 */
export function findProgram(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
  { platform, isProgram }: ProgramHost = thisHost,
): string | undefined {
  if (name === '') return undefined
  const isWindows = platform === 'win32'
  const { delimiter, isAbsolute, join, resolve } = isWindows ? win32 : posix
  const wanted = isWindows && !/\.exe$/i.test(name) ? `${name}.exe` : name
  if ((isWindows ? /[/\\:]/ : /\//).test(name)) return [resolve(wanted)].find(isProgram)
  const folders = searchPath(env, isWindows).split(delimiter)
  const unquoted = isWindows ? folders.map((folder) => folder.replaceAll('"', '')) : folders
  return unquoted
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, wanted))
    .find(isProgram)
}

/** Windows writes Path, and takes any case; a copy of its environment knows only the one written. */
function searchPath(env: Readonly<Record<string, string | undefined>>, isWindows: boolean): string {
  const name = isWindows ? Object.keys(env).find((key) => key.toUpperCase() === 'PATH') : 'PATH'
  return env[name ?? ''] ?? ''
}

/** Words as a shell splits them: spaces, quotes and, where it does not part the names in paths, the backslash. */
export function splitWords(text: string, platform: string = process.platform): string[] {
  if (platform === 'win32') {
    const words = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []
    return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))
  }
  const words = text.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g) ?? []
  const unquote = (part: string): string =>
    part.startsWith("'") ? part.slice(1, -1) : (part.startsWith('"') ? part.slice(1, -1) : part).replace(/\\(.)/g, '$1')
  return words.map((word) => word.replace(/"(?:[^"\\]|\\.)*"|'[^']*'|\\./g, unquote))
}

/** What execFile and spawn are given to run npm. */
export interface NpmCommand {
  readonly file: string
  readonly args: string[]
  readonly shell: boolean
}

/**
 * npm's command line. On Windows npm is a .cmd file, which only a shell starts, and a shell is given one string.
 * @param args words without spaces or signs that a shell reads: a folder is told by `cwd` instead
 */
export function npmCommand(args: readonly string[], platform: string = process.platform): NpmCommand {
  return platform === 'win32'
    ? { file: ['npm', ...args].join(' '), args: [], shell: true }
    : { file: 'npm', args: [...args], shell: false }
}
