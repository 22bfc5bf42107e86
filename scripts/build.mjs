/**
 * Makes one text of each worker thread's code (esbuild), compiles everything with tsc and makes `npx lenet` work inside the
 * clone.
 * With --if-possible it does nothing where typescript is not installed (a user's install, `npm ci --omit=dev`).
 * JavaScript, because it runs before anything is compiled. Not here: checks and tests (package.json, scripts/test.mjs).
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
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

const device = join(root, 'src', 'device', 'cpu')

/** A worker's code with all that it imports, as one CommonJS text. */
async function textOf(file) {
  const { build } = await import('esbuild')
  // what is imported for one constant does not bring all that it could do
  const pure = {
    name: 'pure',
    setup: ({ onResolve, resolve }) =>
      onResolve({ filter: /^\./ }, async ({ path, pluginData, kind, importer, resolveDir }) =>
        pluginData === 'seen' || importer === ''
          ? undefined
          : { ...(await resolve(path, { kind, importer, resolveDir, pluginData: 'seen' })), sideEffects: false },
      ),
  }
  const { outputFiles } = await build({
    entryPoints: [join(device, file)],
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    logOverride: { 'empty-import-meta': 'silent' },
    plugins: [pure],
    write: false,
  })
  return outputFiles[0].text
}

/** src/device/workerCode.ts: written only where it has changed, so that tsc compiles no more than it must. */
async function writeWorkerCode() {
  const [member, compiler] = await Promise.all(['member.node.ts', join('native', 'compiler.node.ts')].map(textOf))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const sum = createHash('sha256').update(member).update(compiler).digest('hex').slice(0, 16)
  const text = `/** Made by scripts/build.mjs: the code of member.node.ts and native/compiler.node.ts with all that they import. */
export const workersName = ${JSON.stringify(`${version} ${sum}`)}
export const memberCode = ${JSON.stringify(member)}
export const compilerCode = ${JSON.stringify(compiler)}
`
  const path = join(device, 'workerCode.ts')
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
}

/** Returns tsc's exit code. */
async function build() {
  await writeWorkerCode()
  const { status } = spawnSync(process.execPath, [compiler, '-p', root], { cwd: root, stdio: 'inherit' })
  if (status === 0) removeStale()
  if (existsSync(command)) {
    chmodSync(command, 0o755)
    linkCommand()
  }
  return status ?? 1
}

if (existsSync(compiler)) process.exitCode = await build()
else if (!process.argv.includes('--if-possible')) {
  console.error('typescript is not installed: run `npm ci` first')
  process.exitCode = 1
}
