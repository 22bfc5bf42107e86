/**
 * A program of a user's that exports what each function and class of the library gives, compiled with `declaration`: every
 * such type can be named. The names are the library's own at run time, so that none is forgotten.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as lenet from '../../src/index.js'
import * as keras from '../../src/keras/index.node.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const at = mkdtempSync(join(tmpdir(), 'lenet-declarations-'))
after(() => rmSync(at, { recursive: true, force: true }))

/** A copy, as an install has it: through a link the compiler would name the files themselves. */
const installed = join(at, 'node_modules', 'lenet')
mkdirSync(join(installed, 'dist'), { recursive: true })
cpSync(join(root, 'package.json'), join(installed, 'package.json'))
cpSync(join(root, 'dist', 'src'), join(installed, 'dist', 'src'), { recursive: true })
symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'), 'junction')
symlinkSync(join(root, 'node_modules', '@types'), join(at, 'node_modules', '@types'), 'junction')
writeFileSync(join(at, 'package.json'), '{ "type": "module" }\n')

const isClass = (value: object): boolean => /^class\b/.test(Function.prototype.toString.call(value))

/** `export const` of what each name below gives. */
function exportsOf(path: string, value: unknown): string[] {
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([name, inner]) => exportsOf(`${path}.${name}`, inner))
  if (typeof value !== 'function') return []
  const name = path.replaceAll('.', '_')
  if (!isClass(value)) return [`export const ${name} = call(${path})`]
  return [`export const ${name} = construct(${path})`, `export const class_${name} = ${path}`]
}

const lines = [...exportsOf('lenet', lenet), ...exportsOf('keras', keras)]
writeFileSync(
  join(at, 'lib.ts'),
  `import * as lenet from 'lenet'
import * as keras from 'lenet/keras'
const call = <T>(make: (...args: any) => T): T => make()
const construct = <T>(Class: abstract new (...args: any) => T): T => Class as T
${lines.join('\n')}
export class Trainer {
  readonly head = keras.layers.dense(10)
  readonly options = { optimizer: keras.optimizers.adam({ learningRate: 0.001 }), watch: [new keras.callbacks.EarlyStopping()] }
  block(filters: number) {
    return keras.layers.conv2d(filters, 3, { padding: 'same', activation: 'relu' })
  }
}
`,
)

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

/** What tsc says of a file of the program; '' where all is well. */
function compile(file: string, options: object): string {
  const usual = { strict: true, lib: ['es2023'], types: ['node'], target: 'es2022', module: 'nodenext' }
  writeFileSync(join(at, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...usual, ...options }, files: [file] }))
  return spawnSync(process.execPath, [compiler, '-p', at], { encoding: 'utf8' }).stdout
}

test('what any function or class of the library gives can stand in a declaration', () => {
  assert.ok(lines.length > 200)
  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    assert.equal(compile('lib.ts', { declaration: true, module, moduleResolution, outDir: module }), '')
    const declared = readFileSync(join(at, module, 'lib.d.ts'), 'utf8')
    assert.match(declared, /keras_optimizers_adam: keras\.Adam;/)
    assert.match(declared, /readonly head: keras\.Dense;/)
    assert.match(declared, /keras_callbacks_EarlyStopping: keras\.EarlyStopping;/)
  }
})

writeFileSync(
  join(at, 'net.ts'),
  `import { nn, torch, type Tensor } from 'lenet'
class Net extends nn.Module {
  #hidden = new nn.Linear(3, 4).requiresGrad_(false)
  drop: nn.Dropout | null = new nn.Dropout(0.5)
  fc = new nn.Linear(4, 2)
  forward(x: Tensor): Tensor {
    const hidden = this.#hidden(x)
    return this.fc(this.drop?.(hidden) ?? hidden)
  }
}
console.log(new Net()(torch.ones([1, 3])).shape.join())
`,
)

test('layers that compilers for older targets call with .call', () => {
  for (const target of ['es2022', 'es2019']) {
    assert.equal(compile('net.ts', { target, outDir: target }), '')
    const { stdout, stderr } = spawnSync(process.execPath, [join(at, target, 'net.js')], { encoding: 'utf8' })
    assert.equal(`${stdout}${stderr}`, '1,2\n')
  }
  assert.match(readFileSync(join(at, 'es2019', 'net.js'), 'utf8'), /\.call\(this, x\)/)
})
