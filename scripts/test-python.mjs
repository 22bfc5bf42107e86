/**
 * Runs the Python checks: test/<room>/python/check_*.py, each of which lets compiled code write files and opens them in
 * the real program (PyTorch, Keras, onnxruntime, …). A check whose packages are missing is skipped by name.
 * `npm run test:python [-- --python PATH] [WORD…]`; else LENET_PYTHON, else python3 or python on the path. WORDs choose
 * checks whose path contains one of them.
 * Exit code: 0 where all that ran passed, 1 where one failed, 75 where none could run.
 * Not part of `npm test`, which needs no Python.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { parseArgs } from 'node:util'

const UNAVAILABLE = 75
const root = join(import.meta.dirname, '..')

/** Prints the packages that a script imports and that are not there, one a line. */
const MISSING = `
import ast, importlib.util, sys
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

/** 'passed', 'failed' or 'skipped'. */
function run(python, path) {
  const missing = missingPackages(python, path)
  if (missing.length > 0) {
    console.log(`- ${path}: skipped: Python has no ${missing.join(', ')}`)
    return 'skipped'
  }
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' }
  const passed = spawnSync(python, [path], { cwd: root, stdio: 'inherit', env }).status === 0
  console.log(`${passed ? '✔' : '✖'} ${path}`)
  return passed ? 'passed' : 'failed'
}

function main() {
  const options = { python: { type: 'string' } }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const python = findPython(values.python)
  const paths = checks(positionals)
  if (!existsSync(join(root, 'dist', 'test'))) {
    console.error('test:python: not compiled: run `npm run build` first')
    return 1
  }
  if (paths.length === 0) {
    console.error('test:python: no check matches')
    return 1
  }
  if (python === undefined) {
    console.error('test:python skipped: no Python 3.10 or newer; name one with --python PATH or LENET_PYTHON')
    return values.python === undefined ? UNAVAILABLE : 1
  }
  const results = paths.map((path) => run(python, path))
  const count = (kind) => results.filter((result) => result === kind).length
  console.log(`test:python: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`)
  if (count('failed') > 0) return 1
  return count('passed') > 0 ? 0 : UNAVAILABLE
}

process.exitCode = main()
