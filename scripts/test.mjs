/**
 * Runs the compiled tests with node's runner: every test/**\/*.test.ts, by its file in dist/.
 * The list comes from the sources, so that what was compiled from a deleted test never runs.
 * Arguments: none runs all; `npm run test:only -- nn base/fs` runs the files whose path contains one of the words,
 * `-- --except nn base/fs` the others.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

const root = join(import.meta.dirname, '..')
/** What takes longer hangs, on the slowest machine too. Tests measure no time otherwise. */
const hangMs = 30 * 60_000

/** Source paths relative to the root with forward slashes, in a fixed order. */
function testSources() {
  const all = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
  return all
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted()
}

function main(words) {
  const isOthers = words[0] === '--except'
  const names = (path) => words.some((word) => path.includes(word))
  const sources = testSources().filter((path) => words.length === 0 || names(path) !== isOthers)
  const files = sources.map((path) => join('dist', path.replace(/\.ts$/, '.js')))
  const missing = files.filter((path) => !existsSync(join(root, path)))
  if (files.length === 0 || missing.length > 0) {
    console.error(
      files.length === 0 ? 'no test matches' : `not compiled (run \`npm run build\`): ${missing.join(', ')}`,
    )
    return 1
  }
  const runner = ['--test', '--test-concurrency=2', `--test-timeout=${hangMs}`, '--test-reporter=spec', ...files]
  const child = spawn(process.execPath, runner, { cwd: root, stdio: 'inherit' })
  // The runner ends its own processes; without this they would go on alone.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 1)))
}

process.exitCode = await main(process.argv.slice(2))
