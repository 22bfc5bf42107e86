/**
 * Runs the check of TensorFlow.js (test/formats/tfjs/check.mjs) with npm's @tensorflow/tfjs, which is kept in the cache
 * folder (LENET_HOME) beside the Pythons of python-env.mjs.
 * Exit code: the check's; 75 when the package cannot be had (the caller says that it was skipped).
 * Not part of `npm test`: the package and what it needs are a download of about 30 MB.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheHome } from '../dist/src/base/fs.node.js'
import { npmCommand } from '../dist/src/base/programs.node.js'

const UNAVAILABLE = 75
const version = '4.22.0'
const limits = { install: 180_000, check: 180_000 }
const root = join(import.meta.dirname, '..')

/** The folder with the package, made where it is not there. Throws why it cannot be. */
function installed() {
  const folder = join(cacheHome(), `tfjs-${version}`)
  if (existsSync(folder)) return folder
  const half = `${folder}-${process.pid}`
  mkdirSync(half, { recursive: true })
  writeFileSync(join(half, 'package.json'), '{"private":true}')
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund']
  const { file, args, shell } = npmCommand(['install', ...flags, `@tensorflow/tfjs@${version}`])
  const options = { cwd: half, encoding: 'utf8', timeout: limits.install, shell }
  try {
    const { status, error, stderr } = spawnSync(file, args, options)
    if (status !== 0) throw new Error(error?.message ?? stderr.trim().split('\n').at(-1))
    renameSync(half, folder)
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
  return folder
}

function main() {
  let folder
  try {
    folder = installed()
  } catch (error) {
    console.error(`test:tfjs skipped: npm's package @tensorflow/tfjs@${version} cannot be had here (${error.message})`)
    return UNAVAILABLE
  }
  const args = [join(root, 'test', 'formats', 'tfjs', 'check.mjs'), folder]
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', timeout: limits.check })
  if (status === null) console.error(`test:tfjs: the check did not end: ${error?.message ?? 'it was killed'}`)
  return status ?? 1
}

process.exitCode = main()
