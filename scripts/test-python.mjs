/**
 * Runs the Python checks: test/<room>/python/check_*.py, each of which lets compiled code write files and opens them in
 * the real program (PyTorch, Keras, onnxruntime, …). A check whose packages are missing is skipped by name.
 * `npm run test:python [-- --python PATH] [--install] [--minutes N] [WORD…]`: PATH, else LENET_PYTHON, else python3 or
 * python on the path. --install makes environments with the packages first (python-env.mjs). --minutes bounds the whole.
 * WORDs choose checks whose path contains one of them.
 * Exit code: 0 where all that ran passed, 1 where one failed, 75 where none could run.
 * Not part of `npm test`, which needs no Python.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { parseArgs } from 'node:util'

const UNAVAILABLE = 75
/** The most that one check may take, and the part of the time that installing may take. */
const checkMs = 300_000
const installShare = 0.7
const root = join(import.meta.dirname, '..')

/** Prints the packages that a script imports and that are not there, one a line; modules beside it are. */
const MISSING = `
import ast, importlib.util, os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
tree = ast.parse(open(sys.argv[1], encoding="utf-8").read())
names = set()
for node in ast.walk(tree):
    if isinstance(node, ast.Import):
        names |= {alias.name.split(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        names.add(node.module.split(".")[0])
for name in sorted(names - set(sys.stdlib_module_names)):
    if importlib.util.find_spec(name) is None:
        print(name)
`

function checks(words) {
  const all = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
  return all
    .filter((entry) => entry.isFile() && /^check_.*\.py$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter(
      (path) => /\/python\/[^/]*$/.test(path) && (words.length === 0 || words.some((word) => path.includes(word))),
    )
    .toSorted()
}

/** Python 3.10 or newer: sys.stdlib_module_names came with it. */
function isPython(command) {
  const probe = spawnSync(command, ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))'], { stdio: 'ignore' })
  return probe.status === 0
}

function findPython(given) {
  const wanted = given ?? process.env['LENET_PYTHON']
  if (wanted !== undefined) return isPython(wanted) ? wanted : undefined
  return ['python3', 'python'].find(isPython)
}

function missingPackages(python, path) {
  const { stdout, status } = spawnSync(python, ['-c', MISSING, path], { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.split(/\s+/).filter(Boolean) : ['?']
}

/** The first Python that has all the check's packages, or what the best of them lacks. */
function choose(pythons, path) {
  let fewest
  for (const python of pythons) {
    const missing = missingPackages(python, path)
    if (missing.length === 0) return { python, missing }
    if (fewest === undefined || missing.length < fewest.length) fewest = missing
  }
  return { missing: fewest ?? ['packages'] }
}

function skipped(path, why) {
  console.log(`- ${path}: skipped: ${why}`)
  return 'skipped'
}

/** 'passed', 'failed' or 'skipped'. What a check says is shown where it fails, else its last line. */
function run(pythons, path, until) {
  const { python, missing } = choose(pythons, path)
  if (python === undefined) return skipped(path, `Python has no ${missing.join(', ')}`)
  const left = until - Date.now()
  if (left <= 0) return skipped(path, 'the time is over')
  const start = Date.now()
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore' }
  const options = { cwd: root, encoding: 'utf8', env, timeout: Math.min(checkMs, left), maxBuffer: 2 ** 26 }
  const { status, error, stdout, stderr } = spawnSync(python, [path], { ...options, killSignal: 'SIGKILL' })
  if (error?.code === 'ETIMEDOUT' && left < checkMs) return skipped(path, 'the time was over before it ended')
  if (status === 0) {
    console.log(`✔ ${path} (${Math.round((Date.now() - start) / 1000)} s): ${stdout.trim().split('\n').at(-1)}`)
    return 'passed'
  }
  console.log(`${stdout ?? ''}${stderr ?? ''}`)
  console.log(`✖ ${path}${error === undefined ? '' : `: ${error.message}`}`)
  return 'failed'
}

/** Deadline in milliseconds; without --minutes none. */
const deadline = (minutes, share) => (minutes === undefined ? Infinity : Date.now() + Number(minutes) * 60_000 * share)

async function main() {
  const options = { python: { type: 'string' }, install: { type: 'boolean' }, minutes: { type: 'string' } }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  if (!existsSync(join(root, 'dist', 'test'))) {
    console.error('test:python: not compiled: run `npm run build` first')
    return 1
  }
  if (values.minutes !== undefined && !(Number(values.minutes) > 0)) {
    console.error('test:python: --minutes wants a number above 0')
    return 1
  }
  const paths = checks(positionals)
  if (paths.length === 0) {
    console.error('test:python: no check matches')
    return 1
  }
  const python = findPython(values.python)
  if (python === undefined) {
    console.error('test:python skipped: no Python 3.10 or newer; name one with --python PATH or LENET_PYTHON')
    return values.python === undefined ? UNAVAILABLE : 1
  }
  const until = deadline(values.minutes, 1)
  const pythons = values.install
    ? (await import('./python-env.mjs')).installGroups(python, deadline(values.minutes, installShare))
    : [python]
  return close(paths.map((path) => run(pythons, path, until)))
}

/** Tells how many, and returns the exit code. */
function close(results) {
  const count = (kind) => results.filter((result) => result === kind).length
  if (count('passed') + count('failed') === 0) {
    console.error('test:python skipped: no check could run')
    return UNAVAILABLE
  }
  console.log(`test:python: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`)
  return count('failed') > 0 ? 1 : 0
}

process.exitCode = await main()
