/** Programs are found as each system names them; command lines are split as its shell would. Systems are made up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findProgram, npmCommand, splitWords, type ProgramHost } from '../../src/base/programs.node.js'

const host = (platform: string, ...programs: string[]): ProgramHost => ({
  platform,
  isProgram: (path) => programs.includes(path),
})

test('on POSIX systems a name is looked for in the absolute folders of PATH, in order', () => {
  const mac = host('darwin', '/usr/bin/clang', '/opt/homebrew/bin/clang', 'bin/clang', '/home/me/a b/zig')
  const find = (name: string, PATH: string) => findProgram(name, { PATH }, mac)
  assert.equal(find('clang', 'bin::/opt/homebrew/bin:/usr/bin'), '/opt/homebrew/bin/clang')
  assert.equal(find('clang', '/usr/bin'), '/usr/bin/clang')
  assert.equal(find('zig', '/home/me/a b'), '/home/me/a b/zig')
  assert.equal(find('gcc', '/usr/bin'), undefined)
  assert.equal(find('/usr/bin/clang', ''), '/usr/bin/clang')
  assert.equal(find('', '/usr/bin'), undefined)
  assert.equal(findProgram('clang', { Path: '/usr/bin' }, mac), undefined)
})

test('on Windows it is an .exe in the folders of Path, however that is written', () => {
  const gcc = 'C:\\mingw64\\bin\\gcc.exe'
  const llvm = 'C:\\Program Files\\LLVM\\bin\\clang.EXE'
  const windows = host('win32', gcc, llvm, 'C:\\tools\\zig.cmd', 'D:\\Jürgen\\cc.exe', '\\\\server\\bin\\cc.exe')
  const path = '.;"C:\\Program Files\\LLVM\\bin";C:\\tools;C:\\mingw64\\bin\\;\\\\server\\bin'
  for (const name of ['Path', 'PATH', 'path']) assert.equal(findProgram('gcc', { [name]: path }, windows), gcc)
  assert.equal(findProgram('clang.EXE', { Path: path }, windows), llvm)
  assert.equal(findProgram('cc', { Path: path }, windows), '\\\\server\\bin\\cc.exe')
  assert.equal(findProgram('zig', { Path: path }, windows), undefined) // a .cmd file needs a shell
  assert.equal(findProgram('gcc', { Path: 'C:/mingw64/bin' }, windows), gcc)
  assert.equal(findProgram('D:\\Jürgen\\cc', {}, windows), 'D:\\Jürgen\\cc.exe')
  assert.equal(findProgram('gcc', {}, windows), undefined)
})

test('a program of this system is found, a folder or a file that cannot be run is none', () => {
  assert.equal(findProgram(process.execPath, {}), process.execPath)
  assert.equal(findProgram(import.meta.dirname, {}), undefined)
  assert.equal(findProgram(`${import.meta.dirname}/nothing`, {}), undefined)
})

test('words are split as a shell would; on Windows a backslash parts names', () => {
  const posix = (text: string) => splitWords(text, 'linux')
  assert.deepEqual(posix('ccache  gcc -m64'), ['ccache', 'gcc', '-m64'])
  assert.deepEqual(posix(`'/my tools/cc' -D"A B"=1 a\\ b "x\\"y"`), ['/my tools/cc', '-DA B=1', 'a b', 'x"y'])
  assert.deepEqual(posix('  '), [])
  const windows = (text: string) => splitWords(text, 'win32')
  assert.deepEqual(windows('"C:\\Program Files\\LLVM\\bin\\clang.exe" -m64'), [
    'C:\\Program Files\\LLVM\\bin\\clang.exe',
    '-m64',
  ])
  assert.deepEqual(windows(`C:\\mingw\\gcc.exe -I'D:\\a b' -D"A B"=1`), ['C:\\mingw\\gcc.exe', '-ID:\\a b', '-DA B=1'])
  assert.deepEqual(windows('  '), [])
})

test('npm is a program, on Windows a shell’s command in one string', () => {
  const args = ['pack', 'a@1.2.3']
  assert.deepEqual(npmCommand(args, 'linux'), { file: 'npm', args, shell: false })
  assert.deepEqual(npmCommand(args, 'darwin'), { file: 'npm', args, shell: false })
  assert.deepEqual(npmCommand(args, 'win32'), { file: 'npm pack a@1.2.3', args: [], shell: true })
})
