/**
 * Runs the compiled tests on other versions of Node, from npm's packages of their binaries: `npm run test:nodes` takes each
 * long-term version beside this one, and the newest that npm has. The newest tried one runs the whole suite, those between
 * it and this one the operations, devices and bits; a newer one than was tried runs these too, and fails as a warning.
 * Arguments: none, or major versions (`npm run test:nodes -- 22`); `--minutes N` bounds the whole: what matters most comes
 * first, and what was not in time is told. Not part of `npm test`: each is a download of 50 MB, kept in the cache folder
 * (LENET_HOME).
 * Exit code: 1 where tests fail; 75 (try again later) when packages cannot be had or time is up, so that a caller can tell.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { npmCommand } from '../dist/src/base/programs.node.js'
import { cacheHome } from '../dist/src/base/fs.node.js'

const UNAVAILABLE = 75
const root = join(import.meta.dirname, '..')
const isWindows = process.platform === 'win32'

/** Versions that are tried, the oldest first. */
const tried = ['20', '22', '24', '26']
/** What versions between the oldest and the newest run: words of test/. */
const someTests = ['conformance/', 'device/']

/** @returns what npm printed */
function npm(words, cwd = root) {
  const { file, args, shell } = npmCommand(words)
  const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, encoding: 'utf8', shell })
  if (status === 0) return stdout
  throw new Error((error?.message ?? stderr).trim().split('\n').at(-1))
}

/** The package of a platform's binary: no script has to run for it, unlike the package `node`. */
const packageName = `node-${isWindows ? 'win' : process.platform}-${process.arch}`

/** @returns the path of that version's binary: a major version's newest */
function binaryOf(version) {
  const folder = join(cacheHome(), 'nodes', version)
  mkdirSync(folder, { recursive: true })
  if (!existsSync(join(folder, 'package.json'))) writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  npm(['install', '--no-audit', '--no-fund', '--ignore-scripts', `${packageName}@${version}`], folder)
  return join(folder, 'node_modules', packageName, 'bin', isWindows ? 'node.exe' : 'node')
}

/** @returns whether all went well, or why it could not be run to its end */
function testOn({ version, words, what }, until) {
  const left = until - Date.now()
  if (left <= 0) return `Node ${version}, ${what}: no time was left`
  let node
  try {
    node = binaryOf(version)
  } catch (error) {
    return `npm's package ${packageName}@${version} cannot be had here (${error.message})`
  }
  const found = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim()
  console.log(`tests on Node ${found}: ${what}`)
  const limit = Number.isFinite(left) ? { timeout: Math.max(until - Date.now(), 1), killSignal: 'SIGTERM' } : {}
  const { status, error } = spawnSync(node, ['scripts/test.mjs', ...words], { cwd: root, stdio: 'inherit', ...limit })
  return error?.code === 'ETIMEDOUT' ? `Node ${version}, ${what}: not all in time` : status === 0
}

/** What runs, what matters most first: the newest version's bits, those of versions between, then all else on the newest. */
function partsOf(versions) {
  const bits = { words: someTests, what: someTests.join(' ') }
  const newest = tried.at(-1)
  const rest = { words: ['--except', ...someTests], what: `all but ${someTests.join(' ')}` }
  const inTurn = versions.toSorted((a, b) => Number(b) - Number(a))
  const whole = inTurn.filter((version) => version === newest)
  return [...inTurn.map((version) => ({ version, ...bits })), ...whole.map((version) => ({ version, ...rest }))]
}

/** The newest major version that npm has, where it was not tried yet. */
function untried() {
  try {
    const newest = npm(['view', packageName, 'version']).trim().split('.')[0]
    return Number(newest) > Number(tried.at(-1)) ? [newest] : []
  } catch {
    return []
  }
}

function main(args) {
  const { values, positionals: asked } = parseArgs({
    args,
    options: { minutes: { type: 'string' } },
    allowPositionals: true,
  })
  const minutes = Number(values.minutes ?? Infinity)
  if (!(minutes > 0)) {
    console.error('test:nodes: --minutes wants a number above 0')
    return 2
  }
  const until = Date.now() + minutes * 60_000
  const own = process.versions.node.split('.')[0]
  const results = partsOf(asked.length > 0 ? asked : tried.filter((version) => version !== own)).map((part) =>
    testOn(part, until),
  )
  const missing = results.filter((one) => typeof one === 'string')
  for (const result of missing) console.error(`test:nodes: ${result}`)
  for (const version of asked.length > 0 ? [] : untried())
    if (testOn({ version, words: someTests, what: someTests.join(' ') }, until) !== true)
      console.error(`test:nodes: warning: Node ${version}, newer than those that were tried, was not seen to pass`)
  return results.includes(false) ? 1 : missing.length > 0 ? UNAVAILABLE : 0
}

process.exitCode = main(process.argv.slice(2))
