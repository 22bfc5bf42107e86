/**
 * Pythons with the packages that the Python checks import: one environment for each file in
 * test/formats/python/requirements, so that PyTorch's checks run where TensorFlow cannot be had. They are made in the
 * cache folder (LENET_HOME), once for each list of packages and each Python; delete its folder `python` at will.
 * Not here: the checks (test-python.mjs).
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cacheHome } from '../dist/src/base/fs.node.js'

const requirements = join(import.meta.dirname, '..', 'test', 'formats', 'python', 'requirements')

/** What must be importable in each, and the most seconds that making it may take. The smallest comes first. */
const groups = {
  onnx: { imports: 'onnx, onnxruntime, safetensors', seconds: 120 },
  tensorflow: { imports: 'h5py, keras, tf_keras', seconds: 180 },
  torch: { imports: 'onnxscript, safetensors, torch', seconds: 240 },
}

const pythonIn = (folder) =>
  process.platform === 'win32' ? join(folder, 'Scripts', 'python.exe') : join(folder, 'bin', 'python')

/** Runs a step of an installation; throws what it said last when it fails or takes too long. */
function step(what, command, args, until) {
  const timeout = Math.max(1, until - Date.now())
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_NO_INPUT: '1' }
  const options = { encoding: 'utf8', env, timeout, killSignal: 'SIGKILL', maxBuffer: 2 ** 26 }
  const { status, error, stdout, stderr } = spawnSync(command, args, options)
  if (status === 0) return
  if (error?.code === 'ETIMEDOUT') throw new Error(`${what} did not end in time`)
  const lines = `${stdout ?? ''}\n${stderr ?? ''}`.trim().split('\n')
  const told = lines.findLast((line) => /^(?:ERROR|Error|\w*Error:)/.test(line)) ?? lines.at(-1)
  throw new Error(`${what}: ${error?.message ?? told}`)
}

function make(python, name, folder, until) {
  const { imports } = groups[name]
  step('python -m venv', python, ['-m', 'venv', folder], until)
  const own = pythonIn(folder)
  const list = join(requirements, `${name}.txt`)
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-cache-dir', '--no-deps', '--only-binary', ':all:', '-r', list]
  step('pip install', own, pip, until)
  step('import', own, ['-c', `import ${imports}`], until)
}

/** Whole folders of the same group for other lists or Pythons; half-made ones may be another run's. */
function removeOthers(home, name, kept) {
  for (const other of readdirSync(home)) {
    const isWhole = /^[a-z]+-[0-9a-f]{16}$/.test(other)
    if (isWhole && other.startsWith(`${name}-`) && other !== kept)
      rmSync(join(home, other), { recursive: true, force: true })
  }
}

/** The group's Python; makes it where it is not there. Throws where it cannot be had. */
function environment(python, name, until) {
  const version = spawnSync(python, ['-c', 'import sys, platform; print(sys.version, platform.platform())']).stdout
  const list = readFileSync(join(requirements, `${name}.txt`))
  const home = join(cacheHome(), 'python')
  const folder = join(home, `${name}-${createHash('sha256').update(version).update(list).digest('hex').slice(0, 16)}`)
  if (existsSync(folder)) return pythonIn(folder)
  mkdirSync(home, { recursive: true })
  const half = `${folder}-${process.pid}`
  try {
    make(python, name, half, until)
    renameSync(half, folder)
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
  removeOthers(home, name, basename(folder))
  return pythonIn(folder)
}

/**
 * Installs every group that can be had until the time `until` (ms), and tells about each.
 * @returns the Pythons
 */
export function installGroups(python, until) {
  const pythons = []
  for (const [name, { seconds }] of Object.entries(groups)) {
    const start = Date.now()
    try {
      pythons.push(environment(python, name, Math.min(until, start + seconds * 1000)))
      console.log(`packages of ${name}.txt: ready (${Math.round((Date.now() - start) / 1000)} s)`)
    } catch (error) {
      console.log(`packages of ${name}.txt: cannot be had here: ${error.message}`)
    }
  }
  return pythons
}
