/** The import-layer check: each rule catches its offence at the right line, and lets good imports pass. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findOffences } from '../../scripts/layers.js'

const ROOMS = {
  'src/base/index.ts': `export const one = 1\n`,
  'src/base/fs.node.ts': `import { open } from 'node:fs/promises'\nexport { open }\n`,
  'src/base/inner.ts': `export const inner = 1\n`,
  'src/graph/index.ts': `import { one } from '../base/index.js'\nexport { one }\n`,
}

function offences(extra: Record<string, string>): string[] {
  const files = new Map(Object.entries({ ...ROOMS, ...extra }))
  return findOffences(files).map(({ file, line, message }) => `${file}:${line}: ${message}`)
}

test('good imports pass: rooms below, the Node door, node: in cli, src/index.ts and cli import all', () => {
  const good = {
    'src/cli/main.ts': `import fs from 'node:fs'\nimport { one } from '../graph/index.js'\nexport { fs, one }\n`,
    'src/index.ts': `export * from './graph/index.js'\n`,
    'src/formats/file.node.ts': `import { open } from '../base/fs.node.js'\nimport zod from 'zod'\n`,
    'src/compiler/tile/plan.ts': `import { one } from '../../graph/index.js'\nimport './other.js'\n`,
    'src/compiler/tile/other.ts': `export {}\n`,
  }
  assert.deepEqual(offences(good), [])
})

test('a room above is an offence, also for types, re-exports, dynamic and many-line imports', () => {
  const told = (line: number) => `src/base/a.ts:${line}: room 'base' may import no other room, not 'graph'`
  const statements = [
    [`import { one } from '../graph/index.js'`, 1],
    [`import type { one } from '../graph/index.js'`, 1],
    [`\nexport * from '../graph/index.js'`, 2],
    [`\n\nconst later = await import('../graph/index.js')`, 3],
    [`import {\n  one,\n} from '../graph/index.js'`, 3],
    [`import '../graph/index.js'`, 1],
  ] as const
  for (const [text, line] of statements) {
    assert.deepEqual(offences({ 'src/base/a.ts': `${text}\n` }), [told(line)], text)
  }
})

test('formats and report import only base; data and train what the table says', () => {
  const text = `import { one } from '../graph/index.js'\n`
  for (const room of ['formats', 'report']) {
    const [first, ...rest] = offences({ [`src/${room}/a.ts`]: text })
    assert.equal(first, `src/${room}/a.ts:1: room '${room}' may import only base, not 'graph'`)
    assert.equal(rest.length, 0)
  }
  assert.match(
    offences({ 'src/data/a.ts': text })[0] ?? '',
    /'data' may import only tensor, formats, base, not 'graph'/,
  )
})

test('comments and strings that look like imports are not imports', () => {
  const text = [
    `/* import { x } from '../nn/index.js' */`,
    `// import 'node:fs'`,
    `const glob = 'src/**/*.ts' // import('node:os')`,
    `const words = "import x from '../nn/index.js'"`,
    `export { glob, words }`,
  ].join('\n')
  assert.deepEqual(offences({ 'src/base/a.ts': text }), [])
})

test('node modules outside *.node.ts and cli, with and without the prefix', () => {
  const text = `import fs from 'node:fs'\nimport path from 'path'\n`
  assert.deepEqual(offences({ 'src/base/a.ts': text }), [
    `src/base/a.ts:1: 'node:fs' may be imported only in *.node.ts and src/cli/`,
    `src/base/a.ts:2: 'path' may be imported only in *.node.ts and src/cli/`,
  ])
})

test('a room is entered by its door only', () => {
  assert.deepEqual(offences({ 'src/graph/a.ts': `import { inner } from '../base/inner.js'\n` }), [
    `src/graph/a.ts:1: enter room 'base' by its index.ts, not by '../base/inner.js'`,
  ])
  assert.deepEqual(offences({ 'src/base/a.ts': `import { inner } from './inner.js'\n` }), [])
})

test('unknown rooms, missing files, files outside src and src/index.ts from inside are told', () => {
  const unknown = offences({ 'src/attic/a.ts': `import '../base/index.js'\n` })
  assert.match(unknown[0] ?? '', /^src\/attic\/a\.ts:1: unknown room 'attic'/)
  assert.match(offences({ 'src/base/a.ts': `import './gone.js'\n` })[0] ?? '', /'\.\/gone\.js' is no source file/)
  assert.match(offences({ 'src/base/a.ts': `import '../../test/x.js'\n` })[0] ?? '', /is outside src\//)
  const up = { 'src/index.ts': `export {}\n`, 'src/base/a.ts': `import '../index.js'\n` }
  assert.match(offences(up)[0] ?? '', /room 'base' may not import src\/index\.ts/)
})

test('circles are told once, where they close; types and later imports close none', () => {
  const circle = {
    'src/base/a.ts': `import './b.js'\n`,
    'src/base/b.ts': `import './c.js'\n`,
    'src/base/c.ts': `\nimport { a } from './a.js'\n`,
  }
  assert.deepEqual(offences(circle), [
    'src/base/c.ts:2: imports go in a circle: src/base/a.ts → src/base/b.ts → src/base/c.ts → src/base/a.ts',
  ])
  assert.deepEqual(offences({ ...circle, 'src/base/c.ts': `import type { a } from './a.js'\n` }), [])
  assert.deepEqual(offences({ ...circle, 'src/base/c.ts': `const a = () => import('./a.js')\n` }), [])
})

test('the command prints file:line and exits 1, or 0 with one line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'layers-'))
  const script = fileURLToPath(new URL('../../scripts/layers.js', import.meta.url))
  const run = () => spawnSync(process.execPath, [script], { cwd: folder, encoding: 'utf8' })
  try {
    mkdirSync(join(folder, 'src/base'), { recursive: true })
    writeFileSync(join(folder, 'src/base/index.ts'), `export const one = 1\n`)
    const good = run()
    assert.equal(good.status, 0, good.stderr)
    assert.equal(good.stdout, 'layers: imports of 1 files go one way\n')
    writeFileSync(join(folder, 'src/base/index.ts'), `import fs from 'node:fs'\nexport { fs }\n`)
    const bad = run()
    assert.equal(bad.status, 1)
    assert.match(bad.stderr, /^src\/base\/index\.ts:1: 'node:fs' may be imported only/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
