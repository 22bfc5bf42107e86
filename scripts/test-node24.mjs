/**
 * Runs the tests that are already compiled once more on Node 24, from npm's `node` package (kept in npm's own cache).
 * Exit code: the tests'; 75 (try again later) when the package cannot be had, so that a caller can tell the two apart.
 * Not part of `npm test`: the package is a download of about 40 MB.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const UNAVAILABLE = 75
const root = join(import.meta.dirname, '..')
const npx = process.platform === 'win32' ? 'npx.cmd' : 'npx'

/** Runs `node@24 ...args`; npx installs it on the first call. */
function node24(args, stdio) {
  const command = ['--yes', '--package=node@24', '--', 'node', ...args]
  return spawnSync(npx, command, { cwd: root, encoding: 'utf8', stdio, shell: process.platform === 'win32' })
}

const probe = node24(['--version'], 'pipe')
const version = probe.stdout?.trim() ?? ''
if (probe.status !== 0 || !version.startsWith('v24.')) {
  const why = (probe.error?.message ?? probe.stderr ?? version).trim().split('\n').at(-1)
  console.error(`test:node24 skipped: npm's package node@24 cannot be had here (${why})`)
  process.exitCode = UNAVAILABLE
} else {
  console.log(`tests on Node ${version}`)
  process.exitCode = node24(['scripts/test.mjs', ...process.argv.slice(2)], 'inherit').status ?? 1
}
