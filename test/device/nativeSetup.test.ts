/** Which compiler is found and what it can do; which folders are trusted; what the cache removes. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { prune } from '../../src/device/cpu/native/cache.node.js'
import { startNativeService } from '../../src/device/cpu/native/service.node.js'
import type { ToolchainInfo } from '../../src/device/cpu/native/types.js'
import { built, infoOf, scratch, script, serviceFor, sourceOf, whyNoCompiler, withEnv } from './nativeTools.js'

const skip = whyNoCompiler()
const notX64 = skip || (process.arch !== 'x64' && 'flags of x64')

function reasonWith(t: TestContext, extra: Readonly<Record<string, string>>, callers?: readonly string[]): string {
  const found = serviceFor(t, join(scratch(t), 'native'), {
    env: withEnv(extra),
    ...(callers ? { callers } : {}),
  }).wait()
  return 'reason' in found ? found.reason : `it found ${found.command}`
}

function infoWith(t: TestContext, extra: Readonly<Record<string, string>>): ToolchainInfo {
  return infoOf(serviceFor(t, join(scratch(t), 'native'), { env: withEnv(extra) }))
}

describe('the toolchain', { skip }, () => {
  test('CC with arguments is used before the others', (t) => {
    const info = infoWith(t, { CC: 'cc -DNOTHING=1' })
    assert.deepEqual([info.command, info.prefix, info.notices], ['cc -DNOTHING=1', ['-DNOTHING=1'], []])
  })

  test('a CC that is missing, fails, talks nonsense or hangs is named, and another is used', (t) => {
    const folder = scratch(t)
    const cases = [
      ['no-such-cc', /CC='no-such-cc' cannot be used: there is no program 'no-such-cc'/],
      [script(join(folder, 'fails'), 'echo broken >&2; exit 7'), /it ended with code 7: broken; cc, clang/],
      [script(join(folder, 'nonsense'), 'echo hello'), /it does not answer as a C compiler does/],
      [script(join(folder, 'hangs'), 'sleep 100'), /it hangs \(no answer within 5 s\)/],
      [script(join(folder, 'other'), `echo '#define __VERSION__ "1"'`), /another processor/],
    ] as const
    for (const [CC, expected] of cases) {
      const { command, notices } = infoWith(t, { CC, LENET_CC_TIMEOUT: '5' })
      assert.notEqual(command, CC)
      assert.equal(notices.length, 1)
      assert.match(notices[0] ?? '', expected)
    }
  })

  test('no compiler and no koffi are reasons, and builds then are errors', (t) => {
    assert.match(reasonWith(t, { PATH: scratch(t) }), /^no C compiler was found/)
    assert.match(reasonWith(t, { PATH: '.' }), /^no C compiler was found/)
    assert.match(reasonWith(t, { PATH: scratch(t), CC: 'mycc' }), /CC='mycc': there is no program 'mycc'/)
    assert.match(
      reasonWith(t, {}, ['no-such-koffi', 'nor-this']),
      /not possible here: there is no no-such-koffi, no nor-this: run/,
    )
    const service = serviceFor(t, join(scratch(t), 'native'), { env: withEnv({ PATH: '' }) })
    assert.match(JSON.stringify(service.build(sourceOf()).wait()), /"error":"no C compiler was found/)
  })

  test('LENET_CFLAGS decides the lanes', { skip: notX64 }, (t) => {
    const all = infoWith(t, {})
    if (all.lanes === 16) assert.equal(infoWith(t, { LENET_CFLAGS: '-mno-avx512f' }).lanes, 8)
    if (all.lanes >= 8) assert.equal(infoWith(t, { LENET_CFLAGS: '-mno-avx512f -mno-avx2' }).lanes, 4)
    if (all.lanes === 16) assert.equal(infoWith(t, { LENET_CFLAGS: '-mavx512f' }).lanes, 16)
    else
      assert.match(reasonWith(t, { LENET_CFLAGS: '-mavx512f' }), /its code needs avx512f, which this processor lacks/)
    assert.match(reasonWith(t, { LENET_CFLAGS: '-mno-avx512f -mno-avx2 -mno-fma' }), /no fused multiply-add/)
    assert.match(reasonWith(t, { LENET_CFLAGS: '--no-such-flag' }), /no usable C compiler \(cc: .*no-such-flag/)
  })

  test('flags that a compiler refuses are dropped', { skip: notX64 }, (t) => {
    const CC = script(
      join(scratch(t), 'old-cc'),
      `case "$*" in *-mprefer*|*=native*) echo 'unknown option' >&2; exit 1;; esac\nexec cc "$@"`,
    )
    const info = infoWith(t, { CC, LENET_CFLAGS: '-mfma' })
    assert.equal(info.command, CC)
    assert.deepEqual(info.notices, [])
    assert.ok(!info.flags.some((flag) => flag.includes('native')), info.flags.join(' '))
  })

  test('a time limit that is none is told', (t) => {
    assert.match(infoWith(t, { LENET_CC_TIMEOUT: 'soon' }).notices.join(), /LENET_CC_TIMEOUT='soon' is no number/)
    assert.match(infoWith(t, { LENET_CC_TIMEOUT: '-1' }).notices.join(), /'-1'/)
    assert.deepEqual(infoWith(t, { LENET_CC_TIMEOUT: '30' }).notices, [])
  })
})

describe('the cache folder', { skip }, () => {
  test('is made for its owner alone', (t) => {
    const folder = join(scratch(t), 'a', 'b', 'native')
    const { cache, notices } = infoOf(serviceFor(t, folder))
    assert.deepEqual([cache.folder, cache.isPrivate, notices], [folder, false, []])
    assert.equal(statSync(folder).mode & 0o777, 0o700)
  })

  /** Each makes a folder that cannot be used, and says what the notice is about. */
  const hostile: Readonly<Record<string, (root: string) => [string, RegExp]>> = {
    'writable by all': (root) => {
      mkdirSync(join(root, 'native'))
      chmodSync(join(root, 'native'), 0o777)
      return [join(root, 'native'), /can be written by other users/]
    },
    'a link': (root) => {
      mkdirSync(join(root, 'elsewhere'), { mode: 0o700 })
      symlinkSync(join(root, 'elsewhere'), join(root, 'native'))
      return [join(root, 'native'), /is a link/]
    },
    'a dangling link': (root) => {
      symlinkSync(join(root, 'nowhere'), join(root, 'native'))
      return [join(root, 'native'), /is a link/]
    },
    'below one writable by all': (root) => {
      mkdirSync(join(root, 'open'))
      chmodSync(join(root, 'open'), 0o777)
      return [join(root, 'open', 'native'), /lies in .*open, which other users can write/]
    },
    'below a file': (root) => {
      writeFileSync(join(root, 'file'), '')
      return [join(root, 'file', 'native'), /cannot be made \(a part of the path is a file/]
    },
    'a file': (root) => {
      writeFileSync(join(root, 'native'), '')
      return [join(root, 'native'), /is no folder/]
    },
  }
  for (const [name, make] of Object.entries(hostile)) {
    test(`${name}: a private one is used, with one notice, and goes with the service`, (t) => {
      const [folder, expected] = make(scratch(t))
      const service = startNativeService({ folder })
      t.after(() => service.close())
      const { cache, notices } = infoOf(service)
      assert.equal(cache.isPrivate, true)
      assert.notEqual(cache.folder, folder)
      assert.equal(statSync(cache.folder).mode & 0o777, 0o700)
      assert.equal(notices.length, 1)
      assert.match(notices[0] ?? '', expected)
      assert.match(notices[0] ?? '', /LENET_HOME/)
      assert.ok(built(service.build(sourceOf()).wait()).path.startsWith(cache.folder))
      service.close()
      assert.ok(!existsSync(cache.folder))
    })
  }

  test(
    'of another user: a private one is used',
    { skip: process.getuid?.() !== 0 && 'only root can give folders away' },
    (t) => {
      const root = scratch(t)
      mkdirSync(join(root, 'native'), { mode: 0o700 })
      chownSync(join(root, 'native'), 12345, 12345)
      assert.match(infoOf(serviceFor(t, join(root, 'native'))).notices.join(), /belongs to another user/)
      mkdirSync(join(root, 'theirs'), { mode: 0o755 })
      chownSync(join(root, 'theirs'), 12345, 12345)
      assert.match(
        infoOf(serviceFor(t, join(root, 'theirs', 'native'))).notices.join(),
        /lies in .*theirs, which belongs/,
      )
    },
  )

  test(
    'that cannot be written: a private one is used',
    { skip: process.getuid?.() === 0 && 'root may write everywhere' },
    (t) => {
      const root = scratch(t)
      mkdirSync(join(root, 'native'), { mode: 0o500 })
      assert.match(infoOf(serviceFor(t, join(root, 'native'))).notices.join(), /cannot be written/)
    },
  )
})

test('the cache keeps the entries used last, the new one, and other files', (t) => {
  const folder = scratch(t)
  const nameOf = (i: number): string => `${String(i).repeat(64)}-${'a'.repeat(64)}.so`
  for (let i = 1; i <= 5; i++) {
    writeFileSync(join(folder, nameOf(i)), new Uint8Array(100))
    utimesSync(join(folder, nameOf(i)), i, i)
  }
  writeFileSync(join(folder, 'notes.txt'), 'mine')
  for (const name of ['.tmp-old', '.tmp-new']) mkdirSync(join(folder, name))
  utimesSync(join(folder, '.tmp-old'), 1, 1)
  prune(folder, 300, new Set(['1'.repeat(64)]))
  assert.deepEqual(
    readdirSync(folder).toSorted(),
    ['.tmp-new', nameOf(1), nameOf(3), nameOf(4), nameOf(5), 'notes.txt'].toSorted(),
  )
})
