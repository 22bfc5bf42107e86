/**
 * Runs the compiled tests on other versions of Node, from npm's packages of their binaries: `npm run test:nodes` takes each
 * long-term version beside this one, and the newest that npm has. The newest tried one runs the whole suite, those between
 * it and this one the operations, devices and bits; a newer one than was tried runs these too, and fails as a warning.
 * Arguments: none, or major versions (`npm run test:nodes -- 22`). Not part of `npm test`: each is a download of 50 MB,
 * kept in the cache folder (LENET_HOME).
 * Exit code: 1 where tests fail; 75 (try again later) when none of the packages can be had, so that a caller can tell.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

/** @returns whether all went well, or why it could not be run */
function testOn(version, words) {
  let node
  try {
    node = binaryOf(version)
  } catch (error) {
    return `npm's package ${packageName}@${version} cannot be had here (${error.message})`
  }
  const found = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim()
  console.log(`tests on Node ${found}: ${words.length === 0 ? 'all' : words.join(' ')}`)
  return spawnSync(node, ['scripts/test.mjs', ...words], { cwd: root, stdio: 'inherit' }).status === 0
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

function main(asked) {
  const own = process.versions.node.split('.')[0]
  const known = asked.length > 0 ? asked : tried.filter((version) => version !== own)
  const results = known.map((version) => testOn(version, version === tried.at(-1) ? [] : someTests))
  for (const result of results.filter((one) => typeof one === 'string')) console.error(`test:nodes: ${result}`)
  for (const version of asked.length > 0 ? [] : untried())
    if (testOn(version, someTests) !== true)
      console.error(`test:nodes: warning: Node ${version}, newer than those that were tried, does not pass`)
  if (results.includes(false)) return 1
  return results.length > 0 && results.every((result) => typeof result === 'string') ? UNAVAILABLE : 0
}

process.exitCode = main(process.argv.slice(2))
