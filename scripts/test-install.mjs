/**
 * The packed package as people install it: by npm 10, 11 and 12, pnpm, yarn 1 and yarn 4 (node_modules and Plug'n'Play),
 * each in an empty project. Nothing may be warned of there but the user's own settings; test/install/consumer.ts then
 * trains, saves, loads and classifies, in WebAssembly and in native code, to the same bits everywhere. Its types are
 * checked by TypeScript 5.9 and 7; publint and arethetypeswrong look at the tarball.
 * The tools come from npm and are kept in the cache folder (LENET_HOME): 90 MB to fetch. Exit code: 75 where they cannot
 * be had, or where a slow machine leaves no time for all.
 * Arguments: none tries all; `npm run test:install -- yarn 'npm 12'` the package managers whose name has one of the words.
 * Not part of `npm test`: tools and dependencies are downloads.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { publint } from 'publint'
import { cacheHome } from '../dist/src/base/fs.node.js'

const UNAVAILABLE = 75
const root = join(import.meta.dirname, '..')
/** Milliseconds. After `all` nothing more is begun. */
const limits = { tools: 150_000, step: 120_000, all: 300_000 }
/** npm 12 needs a newer Node than ours: it and the compilers run on this one, from packages without install scripts. */
const nodePackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
const tools = {
  '@arethetypeswrong/cli': '0.18.5',
  '@types/node': '20.19.43',
  'node-24': `npm:${nodePackage}@24`,
  'npm-10': 'npm:npm@10',
  'npm-11': 'npm:npm@11',
  'npm-12': 'npm:npm@12',
  pnpm: '12',
  'typescript-5.9': 'npm:typescript@5.9',
  'typescript-7': 'npm:typescript@7.0',
  'yarn-1': 'npm:yarn@1',
  'yarn-4': 'npm:@yarnpkg/cli-dist@4',
}

/** Settings of the npm that runs us mean something else for the one that is tried. */
const ownEnv = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(?:npm_|INIT_CWD$)/i.test(name)))

/** Runs a script with Node; throws with what it said unless it ends with 0. Returns stdout and stderr. */
function run(script, args, { cwd, env = {}, node = process.execPath, timeout = limits.step }) {
  const path = `${dirname(node)}${delimiter}${process.env['PATH'] ?? ''}`
  const options = { cwd, encoding: 'utf8', env: { ...ownEnv, PATH: path, ...env }, maxBuffer: 2 ** 26 }
  const ended = spawnSync(node, [script, ...args], { ...options, timeout, killSignal: 'SIGKILL' })
  if (ended.status === 0) return ended
  const said = ended.error?.message ?? `${ended.stdout}${ended.stderr}`.trim()
  throw new Error(`${relative(root, script)} ${args.join(' ')} ended with ${ended.status ?? ended.signal}: ${said}`)
}

/** npm's own program beside this Node, or the one that runs us. */
function ownNpm() {
  const beside = join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js')
  const above = join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js')
  return [process.env['npm_execpath'] ?? '', beside, above].find((path) => path.endsWith('.js') && existsSync(path))
}

/** The folder with the tools, made where it is not there. Throws why it cannot be. */
function toolsFolder(npm) {
  const key = createHash('sha256').update(JSON.stringify(tools)).digest('hex').slice(0, 12)
  const folder = join(cacheHome(), `install-tools-${key}`)
  if (existsSync(folder)) return folder
  const half = `${folder}-${process.pid}`
  mkdirSync(half, { recursive: true })
  try {
    writeFileSync(join(half, 'package.json'), JSON.stringify({ private: true, dependencies: tools }))
    const retries = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000']
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...retries]
    run(npm, ['install', ...flags], { cwd: half, timeout: limits.tools })
    renameSync(half, folder)
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
  return folder
}

const fail = (message) => {
  throw new Error(message)
}

/** Packs the project as it is and says what is wrong with what is in it. */
function pack(npm, folder) {
  const { stdout } = run(npm, ['pack', '--json', '--pack-destination', folder], { cwd: root })
  const { filename, files } = JSON.parse(stdout.slice(stdout.indexOf('[\n')))[0]
  const names = new Set(files.map(({ path }) => path))
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const installing = ['preinstall', 'install', 'postinstall', 'prepare'].filter((name) => name in scripts)
  if (installing.length > 0) fail(`scripts that run, or are warned of, where it is installed: ${installing}`)
  for (const [, link] of readFileSync(join(root, 'README.md'), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
    const isThere = names.has(link) || [...names].some((name) => name.startsWith(`${link}/`))
    if (!isThere) fail(`README.md links to ${link}, which is not in the tarball`)
  }
  for (const name of ['dist/src/index.js', 'dist/src/keras/index.node.d.ts', 'dist/src/cli/main.js', 'LICENSE'])
    if (!names.has(name)) fail(`${name} is not in the tarball`)
  const [stray] = [...names].filter((name) => /^dist\/(?!src\/.*\.(?:js|d\.ts)$)/.test(name))
  if (stray !== undefined) fail(`${stray} is in the tarball`)
  return join(folder, filename)
}

/** A package manager: how it installs the tarball, how it runs `node` and our command, and lines of its own to pass over. */
function managers(folder) {
  const tool = (name, ...path) => join(folder, 'node_modules', name, ...path)
  const node24 = tool('node-24', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  const npm = (version, node) => ({
    name: `npm ${version}`,
    node,
    install: (tarball) => [tool(`npm-${version}`, 'bin', 'npm-cli.js'), 'install', tarball],
    exec: [tool(`npm-${version}`, 'bin', 'npx-cli.js')],
    // It warns of settings of the user's own.
    noise: /^npm warn Unknown /,
  })
  const yarn4 = (nodeLinker) => {
    const yarn = tool('yarn-4', 'bin', 'yarn.js')
    return {
      name: `yarn 4, ${nodeLinker}`,
      node: process.execPath,
      files: { 'yarn.lock': '', '.yarnrc.yml': `nodeLinker: ${nodeLinker}\nenableTelemetry: false\n` },
      install: (tarball) => [yarn, 'add', `lenet@file:${tarball}`],
      exec: [yarn],
      program: [yarn, 'node', 'consumer.js'],
      noise: /YN0092|YN0000: · Done with warnings/,
    }
  }
  const pnpm = tool('pnpm', 'bin', 'pnpm.mjs')
  const yarn1 = tool('yarn-1', 'bin', 'yarn.js')
  return [
    npm(10, process.execPath),
    npm(11, node24),
    npm(12, node24),
    { name: 'pnpm', node: node24, install: (tarball) => [pnpm, 'add', tarball], exec: [pnpm, 'exec'] },
    {
      name: 'yarn 1',
      node: process.execPath,
      // Its cache knows a tarball by name and version only.
      install: (tarball) => [yarn1, 'add', `file:${tarball}`, '--cache-folder', join(dirname(tarball), 'yarn-1-cache')],
      exec: [yarn1, '--silent'],
    },
    yarn4('node-modules'),
    yarn4('pnp'),
  ]
}

function project(folder, files = {}) {
  mkdirSync(folder)
  const all = { 'package.json': '{ "private": true, "license": "MIT", "type": "module" }\n', ...files }
  for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text)
  copyFileSync(join(root, 'dist', 'test', 'install', 'consumer.js'), join(folder, 'consumer.js'))
}

/** Installs and runs. Returns the program's digest on each device; native code only where there is a compiler. */
function tryManager({ name, node, files, install, exec, program = ['consumer.js'], noise }, tarball, home) {
  const cwd = join(dirname(tarball), name.replace(/\W+/g, '-'))
  project(cwd, files)
  const options = { cwd, node, env: { LENET_HOME: home } }
  const call = ([script, ...args], ...more) => run(script, [...args, ...more], options)
  const { stdout, stderr } = call(install(tarball))
  const warnings = `${stdout}\n${stderr}`
    .split('\n')
    .filter((line) => /warn|deprecat|ignored|YN00(?!00|13|85)/i.test(line))
  const ours = warnings.filter((line) => noise === undefined || !noise.test(line))
  if (ours.length > 0) fail(`it warns:\n${ours.join('\n')}`)
  const doctor = JSON.parse(call(exec, 'lenet', 'doctor', '--json').stdout)
  if (doctor.native.reason !== undefined && !/no C compiler|no usable C compiler/.test(doctor.native.reason))
    fail(`lenet doctor: ${doctor.native.reason}`)
  const devices = doctor.native.reason === undefined ? ['wasm', 'native'] : ['wasm']
  return devices.map((device) => call(program, device).stdout)
}

/** The program's types, in a project that npm installed. */
function checkTypes(folder, installed, compiler, moduleResolution) {
  copyFileSync(join(root, 'test', 'install', 'consumer.ts'), join(installed, 'consumer.ts'))
  const compilerOptions = {
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2023',
    lib: ['es2023'],
    module: moduleResolution === 'bundler' ? 'esnext' : moduleResolution,
    moduleResolution,
    typeRoots: [join(folder, 'node_modules', '@types')],
    types: ['node'],
  }
  writeFileSync(join(installed, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }))
  run(join(folder, 'node_modules', `typescript-${compiler}`, 'bin', 'tsc'), ['-p', '.'], { cwd: installed })
}

/** The profile for packages of ES modules only: older resolutions cannot load them, and `engines` leaves those out. */
function checkTypesWrong(folder, tarball) {
  const attw = join(folder, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js')
  run(attw, [tarball, '--profile', 'esm-only', '--no-color'], { cwd: dirname(tarball) })
}

async function checkPublint(tarball) {
  const { buffer } = readFileSync(tarball)
  const { messages } = await publint({ pack: { tarball: buffer }, strict: true })
  if (messages.length > 0) fail(`publint: ${JSON.stringify(messages)}`)
}

/** What is tried, in order; each throws what is wrong. The types are checked in the project of npm 11. */
function* trials(npm, folder, work, words) {
  let tarball
  yield ['npm pack', () => (tarball = pack(npm, work))]
  const digests = new Set()
  const isChosen = ({ name }) => words.length === 0 || words.some((word) => name.includes(word))
  for (const manager of managers(folder).filter(isChosen)) {
    const attempt = () => {
      tryManager(manager, tarball, join(work, 'home')).forEach((digest) => digests.add(digest))
      if (digests.size !== 1) fail(`the bits differ: ${[...digests]}`)
    }
    yield [`${manager.name}: installed, run, the same bits`, attempt]
    if (manager.name === 'npm 11') yield* typeTrials(folder, join(work, 'npm-11'))
  }
  yield ['arethetypeswrong', () => checkTypesWrong(folder, tarball)]
  yield ['publint', () => checkPublint(tarball)]
}

function* typeTrials(folder, installed) {
  for (const compiler of ['5.9', '7'])
    for (const resolution of ['nodenext', 'bundler'])
      yield [`TypeScript ${compiler}, ${resolution}`, () => checkTypes(folder, installed, compiler, resolution)]
}

async function tryAll(npm, folder, work, words) {
  const until = Date.now() + limits.all
  for (const [name, attempt] of trials(npm, folder, work, words)) {
    if (Date.now() > until) {
      console.error(`test:install: not finished after ${limits.all / 1000} s: ${name} and what follows are left out`)
      return UNAVAILABLE
    }
    const start = Date.now()
    try {
      await attempt()
    } catch (error) {
      console.error(`✖ ${name}: ${error.message}`)
      return 1
    }
    console.log(`✔ ${name} (${Math.round((Date.now() - start) / 1000)} s)`)
  }
  return 0
}

async function main(words) {
  const npm = ownNpm()
  let folder
  try {
    folder = toolsFolder(npm ?? fail('npm was not found beside this Node'))
  } catch (error) {
    console.error(`test:install skipped: its tools cannot be had here (${error.message.trim().split('\n').at(-1)})`)
    return UNAVAILABLE
  }
  const work = mkdtempSync(join(tmpdir(), 'lenet-install-'))
  try {
    return await tryAll(npm, folder, work, words)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2))
