/**
 * The package where people's programs put it: a server bundled by esbuild, rollup, webpack, ncc and vite does what it does
 * unbundled, on as many threads; a suite passes under jest, vitest (all pools) and node:test, which end by themselves.
 * `npm run test:hosts [-- WORD…]`: WORDs choose hosts whose name contains one of them. The tools are installed once, into
 * the cache folder (LENET_HOME); the package is packed from the clone, which must be built.
 * Exit code: 0, 1 where a host failed, 75 where the tools cannot be had. Not part of `npm test`: a download of 40 MB.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { cacheHome } from '../dist/src/base/fs.node.js'

const UNAVAILABLE = 75
const root = join(import.meta.dirname, '..')
const isWindows = process.platform === 'win32'
const tools = {
  '@rollup/plugin-commonjs': '29.0.3',
  '@rollup/plugin-json': '6.1.0',
  '@rollup/plugin-node-resolve': '16.0.3',
  '@vercel/ncc': '0.45.0',
  esbuild: '0.28.2',
  jest: '30.5.2',
  rollup: '4.68.8',
  vite: '8.4.0',
  vitest: '4.1.12',
  webpack: '5.113.0',
  'webpack-cli': '7.3.1',
}
/** In each run of jest: as many that a thread or two left by each would show. */
const suites = 4

const configs = {
  'rollup.config.mjs': `import commonjs from '@rollup/plugin-commonjs'
import json from '@rollup/plugin-json'
import resolve from '@rollup/plugin-node-resolve'
export default {
  input: 'server.mjs',
  external: ['sharp'],
  output: { dir: 'out/rollup' },
  plugins: [resolve({ exportConditions: ['node'], preferBuiltins: true }), commonjs(), json()],
}`,
  'vite.config.mjs': `export default {
  build: { ssr: 'server.mjs', outDir: 'out/vite', emptyOutDir: false },
  ssr: { noExternal: true, external: ['sharp'] },
  test: { globals: true, include: ['*.spec.mjs'], maxWorkers: 2, testTimeout: 60_000 },
}`,
  'webpack.config.mjs': `import { resolve } from 'node:path'
const common = { entry: './server.mjs', target: 'node', mode: 'development', devtool: false }
export default [
  {
    ...common,
    output: { filename: 'server.mjs', path: resolve('out/webpack-esm'), module: true, chunkFormat: 'module' },
    experiments: { outputModule: true },
    externals: { sharp: 'module sharp' },
  },
  {
    ...common,
    output: { filename: 'server.cjs', path: resolve('out/webpack-cjs') },
    externals: { sharp: 'commonjs sharp' },
  },
]`,
  'package.json': JSON.stringify({
    private: true,
    type: 'module',
    jest: { testMatch: ['**/*.spec.mjs'], transform: {}, testEnvironment: 'node', testTimeout: 60_000 },
  }),
}

const esbuild = (format, out) =>
  `esbuild server.mjs --bundle --platform=node --format=${format} --external:sharp --outfile=${out} --log-level=warning`

/** Name → how it is built, and what comes out. */
const bundles = {
  'esbuild esm': [esbuild('esm', 'out/esbuild.mjs'), ['out/esbuild.mjs']],
  'esbuild cjs': [esbuild('cjs', 'out/esbuild.cjs'), ['out/esbuild.cjs']],
  rollup: ['rollup -c --silent', ['out/rollup/server.js']],
  webpack: ['webpack', ['out/webpack-esm/server.mjs', 'out/webpack-cjs/server.cjs']],
  ncc: ['ncc build server.mjs -o out/ncc -e sharp', ['out/ncc/index.mjs']],
  'vite ssr': ['vite build --logLevel warn', ['out/vite/server.js']],
}

const vitest = (pool) => `vitest run --pool=${pool}`
const runners = {
  jest: ['jest -i', { NODE_OPTIONS: '--experimental-vm-modules' }],
  'jest with workers': ['jest --maxWorkers=2', { NODE_OPTIONS: '--experimental-vm-modules' }],
  'vitest threads': [vitest('threads')],
  'vitest forks': [vitest('forks')],
  'vitest vmThreads': [vitest('vmThreads')],
  'vitest vmForks': [vitest('vmForks')],
  'node:test': ['node --test'],
}

function npm(cwd, args, timeout) {
  const options = { cwd, encoding: 'utf8', timeout, shell: isWindows, killSignal: 'SIGKILL' }
  const { status, error, stdout, stderr } = spawnSync(isWindows ? 'npm.cmd' : 'npm', args, options)
  if (status !== 0) throw new Error(`npm ${args[0]}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`)
  return stdout
}

const quietly = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']

/** The folder with the tools, made where it is not there. Throws why it cannot be. */
function installed() {
  const list = JSON.stringify({ private: true, dependencies: tools })
  const folder = join(cacheHome(), `hosts-${createHash('sha256').update(list).digest('hex').slice(0, 16)}`)
  if (existsSync(folder)) return folder
  const half = `${folder}-${process.pid}`
  try {
    mkdirSync(half, { recursive: true })
    writeFileSync(join(half, 'package.json'), list)
    npm(half, ['install', ...quietly], 240_000)
    renameSync(half, folder)
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
  return folder
}

/** A user's project inside the folder of tools, whose node_modules is found from there. */
function makeProject(folder) {
  const project = join(folder, `project-${process.pid}`)
  mkdirSync(join(project, 'out'), { recursive: true })
  for (const [name, text] of Object.entries(configs)) writeFileSync(join(project, name), text)
  cpSync(join(root, 'test', 'hosts', 'server.mjs'), join(project, 'server.mjs'))
  for (let i = 0; i < suites; i++) cpSync(join(root, 'test', 'hosts', 'suite.mjs'), join(project, `${i}.spec.mjs`))
  const [{ filename }] = JSON.parse(
    npm(root, ['pack', '--json', '--ignore-scripts', '--pack-destination', project], 60_000),
  )
  npm(project, ['install', ...quietly, `./${filename}`], 120_000)
  return project
}

/** Runs a command of the tools; what it wrote where it failed or did not end. */
function run(project, command, env = {}) {
  const { NODE_TEST_CONTEXT: _, ...rest } = process.env
  const path = [join(project, '..', 'node_modules', '.bin'), rest.PATH].join(delimiter)
  const options = {
    cwd: project,
    encoding: 'utf8',
    timeout: 180_000,
    killSignal: 'SIGKILL',
    shell: true,
    maxBuffer: 2 ** 26,
  }
  const { status, error, stdout, stderr } = spawnSync(command, {
    ...options,
    env: { ...rest, NO_COLOR: '1', PATH: path, ...env },
  })
  return { stdout, problem: status === 0 ? '' : `${error?.message ?? ''}\n${stdout}${stderr}`.trim() }
}

/** What the server says on each device. Why there is no native code must be told by a bundle too. */
const answers = (project, file) =>
  ['wasm', 'native'].map((device) => {
    const { stdout, problem } = run(project, `node ${file} ${device} out`)
    return problem || stdout.trim()
  })

function bundleProblem(project, [build, files], wanted) {
  const { problem } = run(project, build)
  if (problem) return problem
  for (const file of files) {
    const found = answers(project, file)
    if (found.join() !== wanted.join()) return `${file}: ${found.join('\n')}\nunbundled: ${wanted.join('\n')}`
  }
  return ''
}

function suiteProblem(project, [command, env]) {
  const counts = join(project, 'threads')
  rmSync(counts, { force: true })
  const { problem } = run(project, command, { ...env, ...(command === 'jest -i' ? { THREADS: counts } : {}) })
  if (problem || !existsSync(counts)) return problem
  const threads = readFileSync(counts, 'utf8').trim().split('\n').map(Number)
  // the first may still have been looking for a compiler
  return threads.at(-1) > threads[1] ? `each file leaves threads behind: ${threads.join(', ')}` : ''
}

function check(name, problem) {
  console.log(problem ? `✖ ${name}\n${problem}` : `✔ ${name}`)
  return problem === ''
}

function checkAll(project, words) {
  const chosen = (hosts) =>
    Object.entries(hosts).filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)))
  const wanted = answers(project, 'server.mjs')
  console.log(`unbundled: ${wanted.join('\n           ')}`)
  let good = JSON.parse(wanted[0]).workers?.made === 1
  for (const [name, bundle] of chosen(bundles)) good = check(name, bundleProblem(project, bundle, wanted)) && good
  for (const [name, runner] of chosen(runners)) good = check(name, suiteProblem(project, runner)) && good
  return good
}

function main(words) {
  let project
  try {
    project = makeProject(installed())
  } catch (error) {
    console.error(`test:hosts skipped: npm's packages cannot be had here (${error.message})`)
    return UNAVAILABLE
  }
  try {
    return checkAll(project, words) ? 0 : 1
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

process.exitCode = main(process.argv.slice(2))
