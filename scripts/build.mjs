/**
 * Compiles everything with tsc and makes `npx lenet` work inside the clone.
 * With --if-possible it does nothing where typescript is not installed (a user's install, `npm ci --omit=dev`).
 * JavaScript, because it runs before anything is compiled. Not here: checks and tests (package.json, scripts/test.mjs).
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const command = join(root, 'dist', 'src', 'cli', 'main.js')
const binFolder = join(root, 'node_modules', '.bin')

/** npm links the commands of dependencies only, so the project's own command is linked here. */
function linkCommand() {
  mkdirSync(binFolder, { recursive: true })
  const target = join('..', '..', 'dist', 'src', 'cli', 'main.js')
  if (process.platform === 'win32') {
    writeFileSync(join(binFolder, 'lenet.cmd'), `@node "%~dp0\\${target}" %*\r\n`)
    return
  }
  const temporary = join(binFolder, `.lenet-${process.pid}`)
  rmSync(temporary, { force: true })
  symlinkSync(target, temporary)
  renameSync(temporary, join(binFolder, 'lenet'))
}

/** What was compiled from a source that is gone would be packed and imported. */
function removeStale() {
  const dist = join(root, 'dist')
  for (const name of readdirSync(dist, { recursive: true })) {
    const source = name.replace(/\.(?:d\.ts|js)$/, '.ts')
    if (source !== name && !existsSync(join(root, source))) rmSync(join(dist, name))
  }
}

/** Returns tsc's exit code. */
function build() {
  const { status } = spawnSync(process.execPath, [compiler, '-p', root], { cwd: root, stdio: 'inherit' })
  if (status === 0) removeStale()
  if (existsSync(command)) {
    chmodSync(command, 0o755)
    linkCommand()
  }
  return status ?? 1
}

if (existsSync(compiler)) process.exitCode = build()
else if (!process.argv.includes('--if-possible')) {
  console.error('typescript is not installed: run `npm ci` first')
  process.exitCode = 1
}
