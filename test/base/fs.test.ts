/** Files are written whole or not at all, failures name the path and leave what was there; the cache folder. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { after, test } from 'node:test'
import {
  cacheHome,
  fileError,
  replaceFile,
  replaceFileSync,
  writeFileAtomic,
  writeFileAtomicSync,
} from '../../src/base/fs.node.js'
import { LenetError } from '../../src/base/errors.js'

const folder = mkdtempSync(join(tmpdir(), 'lenet-fs-'))
chmodSync(folder, 0o755) // so that a child without rights comes as far as the folders in it
after(() => rmSync(folder, { recursive: true }))

let count = 0
function freshFolder(): string {
  const path = join(folder, String(count++))
  mkdirSync(path)
  return path
}

const posixOnly = process.platform === 'win32' ? 'modes and links are tested on POSIX systems' : false
const codeUrl = new URL('../../src/base/fs.node.js', import.meta.url).href

async function* slowly(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    await new Promise((resolve) => setImmediate(resolve))
    yield Buffer.from(chunk)
  }
}

test('bytes, text, chunks and asynchronous chunks are written, folders made, nothing else left', async () => {
  const base = freshFolder()
  const contents = [Buffer.from('abc'), 'abc', [Buffer.from('ab'), Buffer.from('c')], slowly('a', 'bc')]
  for (const [i, content] of contents.entries()) {
    const path = join(base, 'a', 'b', `${i}.bin`)
    await writeFileAtomic(path, content)
    assert.equal(readFileSync(path, 'utf8'), 'abc')
  }
  assert.deepEqual(readdirSync(join(base, 'a', 'b')).toSorted(), ['0.bin', '1.bin', '2.bin', '3.bin'])
  await writeFileAtomic(join(base, 'empty'), [])
  assert.equal(statSync(join(base, 'empty')).size, 0)
})

test('the synchronous form writes, replaces and makes folders too', () => {
  const base = freshFolder()
  const path = join(base, 'x', 'y.txt')
  writeFileAtomicSync(path, 'old')
  writeFileAtomicSync(path, Buffer.from('new'))
  assert.equal(readFileSync(path, 'utf8'), 'new')
  assert.deepEqual(readdirSync(join(base, 'x')), ['y.txt'])
})

test('until the last chunk the old file is there; then the new one', async () => {
  const path = join(freshFolder(), 'f')
  writeFileSync(path, 'old')
  const seen: string[] = []
  async function* watching(): AsyncGenerator<Uint8Array> {
    for await (const chunk of slowly('n', 'e', 'w')) {
      seen.push(readFileSync(path, 'utf8'))
      yield chunk
    }
  }
  await writeFileAtomic(path, watching())
  assert.deepEqual(seen, ['old', 'old', 'old'])
  assert.equal(readFileSync(path, 'utf8'), 'new')
})

test("an error of the chunks' source passes through, the old file stays, no temporary file is left", async () => {
  const base = freshFolder()
  const path = join(base, 'f')
  writeFileSync(path, 'old')
  const broken = Object.assign(new Error('connection lost'), { code: 'EACCES' })
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* slowly('new')
    throw broken
  }
  await assert.rejects(writeFileAtomic(path, failing()), (error) => error === broken)
  assert.equal(readFileSync(path, 'utf8'), 'old')
  assert.deepEqual(readdirSync(base), ['f'])
})

test('a folder of that name, and a file where a folder should be, are told with the path', async () => {
  const base = freshFolder()
  const file = join(base, 'file')
  writeFileSync(file, 'x')
  const under = join(file, 'g')
  const cases: [string, RegExp][] = [
    [base, /it is a folder: give the name of a file$/],
    [under, /a part of the path is a file, not a folder/],
  ]
  for (const [path, why] of cases) {
    const clear = (error: unknown) =>
      error instanceof LenetError && error.message.startsWith(`cannot write ${path}: `) && why.test(error.message)
    await assert.rejects(writeFileAtomic(path, 'x'), clear)
    assert.throws(() => writeFileAtomicSync(path, 'x'), clear)
  }
  assert.deepEqual(readdirSync(base), ['file'])
})

test('a folder without permission is told with the path', { skip: posixOnly }, () => {
  const base = freshFolder()
  chmodSync(base, 0o555)
  const path = join(base, 'f')
  // Root may write everywhere, so the child gives its rights up once it has read the code.
  const script = `const { writeFileAtomic, writeFileAtomicSync } = await import(${JSON.stringify(codeUrl)})
    if (process.getuid() === 0) process.setuid(65534)
    const tell = (e) => console.log(e.name + ': ' + e.message)
    await writeFileAtomic(process.argv[1], 'x').catch(tell)
    try { writeFileAtomicSync(process.argv[1], 'x') } catch (e) { tell(e) }`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script, path], { encoding: 'utf8' })
  const line = `LenetError: cannot write ${path}: permission denied: choose a folder you may write to, or change its permissions\n`
  assert.equal(run.stdout, line + line, run.stderr)
  assert.deepEqual(readdirSync(base), [])
})

test('a write that the system cuts short fails, says so and keeps the old file', { skip: posixOnly }, () => {
  const base = freshFolder()
  const path = join(base, 'f')
  writeFileSync(path, 'old')
  const script = `const { writeFileAtomic } = await import(${JSON.stringify(codeUrl)})
    await writeFileAtomic(process.argv[1], new Uint8Array(1 << 20)).catch((e) => console.log(e.name + ': ' + e.message))`
  const limited = `ulimit -f 64; exec "$0" --input-type=module -e "$1" "$2"`
  const run = spawnSync('sh', ['-c', limited, process.execPath, script, path], { encoding: 'utf8' })
  assert.match(run.stdout, /^LenetError: cannot write .*\/f: the file is larger than the system allows/, run.stderr)
  assert.equal(readFileSync(path, 'utf8'), 'old')
  assert.deepEqual(readdirSync(base), ['f'])
})

test('a link stays a link, modes are kept, devices are never replaced', { skip: posixOnly }, async () => {
  const base = freshFolder()
  const [file, link] = [join(base, 'file'), join(base, 'link')]
  writeFileSync(file, 'old')
  chmodSync(file, 0o640)
  symlinkSync('file', link)
  await writeFileAtomic(link, 'new')
  assert.ok(lstatSync(link).isSymbolicLink())
  assert.equal(readFileSync(file, 'utf8'), 'new')
  assert.equal(statSync(file).mode & 0o777, 0o640)
  await assert.rejects(writeFileAtomic('/dev/null', 'x'), /cannot write \/dev\/null: it is a device or pipe/)
  assert.ok(statSync('/dev/null').isCharacterDevice())
})

test('many writers at once leave one whole file', async () => {
  const base = freshFolder()
  const path = join(base, 'f')
  const contents = Array.from({ length: 8 }, (_, i) => String(i).repeat(10_000))
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)))
  assert.ok(contents.includes(readFileSync(path, 'utf8')))
  assert.deepEqual(readdirSync(base), ['f'])
})

test('on Windows a rename that another program hinders is tried again; other errors, and other systems, are told at once', async () => {
  const coded = (code: string) => Object.assign(new Error(code), { code })
  /** Fails so often with that code. */
  const hindered = (code: string, times: number) => {
    const calls: string[] = []
    const move = (from: string, to: string): void => {
      if (calls.push(`${from} ${to}`) <= times) throw coded(code)
    }
    return { calls, move, wait: async (from: string, to: string) => move(from, to) }
  }
  for (const code of ['EACCES', 'EBUSY', 'EPERM']) {
    const [one, other] = [hindered(code, 2), hindered(code, 2)]
    await replaceFile('a', 'b', one.wait, 'win32')
    replaceFileSync('a', 'b', other.move, 'win32')
    assert.deepEqual([one.calls, other.calls], [Array(3).fill('a b'), Array(3).fill('a b')])
  }
  for (const [code, platform] of [
    ['ENOSPC', 'win32'],
    ['EPERM', 'linux'],
    ['EACCES', 'darwin'],
  ] as const) {
    const { calls, move, wait } = hindered(code, 2)
    await assert.rejects(replaceFile('a', 'b', wait, platform), { code })
    assert.throws(() => replaceFileSync('a', 'c', move, platform), { code })
    assert.deepEqual(calls, ['a b', 'a c'])
  }
  const { calls, wait } = hindered('EBUSY', Infinity)
  await assert.rejects(replaceFile('a', 'b', wait, 'win32'), { code: 'EBUSY' })
  assert.equal(calls.length, 10)
})

test('fileError: known codes give advice, others the system words, a LenetError stays', () => {
  const coded = (code: string) => Object.assign(new Error(`${code}: words`), { code })
  assert.equal(
    fileError(coded('ENOSPC'), 'a.pth').message,
    'cannot write a.pth: no space left on the disk: free some, or choose another folder',
  )
  assert.equal(fileError(coded('ENOENT'), 'a.pth', 'read').message, 'cannot read a.pth: there is no such file')
  assert.match(fileError(coded('EACCES'), 'a', 'read').message, /^cannot read a: permission denied/)
  assert.equal(fileError(coded('EODD'), 'a').message, 'cannot write a: EODD: words')
  const ours = new LenetError('said before')
  assert.equal(fileError(ours, 'a'), ours)
})

test('cacheHome: LENET_HOME overrides, else an absolute folder of the system; nothing is made', () => {
  const before = process.env['LENET_HOME']
  try {
    process.env['LENET_HOME'] = join(folder, 'home')
    assert.equal(cacheHome(), join(folder, 'home'))
    assert.equal(existsSync(cacheHome()), false)
    process.env['LENET_HOME'] = 'relative'
    assert.equal(cacheHome(), join(process.cwd(), 'relative'))
    process.env['LENET_HOME'] = ''
    assert.ok(isAbsolute(cacheHome()))
    assert.match(cacheHome(), /lenet/)
  } finally {
    if (before === undefined) delete process.env['LENET_HOME']
    else process.env['LENET_HOME'] = before
  }
})
