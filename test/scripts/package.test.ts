/** The package as its users meet it: publint's rules, and declarations that compile in a program of theirs. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { publint } from 'publint'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('publint finds nothing', async () => {
  const { messages } = await publint({ pkgDir: root, pack: false, strict: true })
  assert.deepEqual(
    messages.map(({ code, path }) => `${code} ${path.join('.')}`),
    [],
  )
})

const at = mkdtempSync(join(tmpdir(), 'lenet-types-'))
after(() => rmSync(at, { recursive: true, force: true }))
mkdirSync(join(at, 'node_modules'))
symlinkSync(root, join(at, 'node_modules', 'lenet'), 'junction')
writeFileSync(join(at, 'package.json'), '{ "type": "module" }\n')
writeFileSync(
  join(at, 'mine.ts'),
  `import { classifier, closeDevice, device, F, LeNet, loadModel, nn, optim, saveModel, torch, type ModelFile, type Tensor } from 'lenet'
import { layers, losses, models } from 'lenet/keras'

class Mine extends nn.Module {
  fc = new nn.Linear(4, 2)
  forward(x: Tensor): Tensor {
    return F.relu(this.fc(x))
  }
}
const net = new Mine()
export const optimizer = new optim.Adam(net.parameters(), { lr: 1e-3 })
export const y: number = net(torch.zeros([1, 4])).sum().item()
const model: ModelFile = await loadModel('net.onnx', { model: new LeNet(3, 10) })
await saveModel(model, 'net.keras', { classes: ['cat', 'dog'] })
export const told = await classifier(model)('cat.png')
const keras = new models.Sequential([layers.dense(2, { inputShape: [4] })])
keras.compile({ optimizer: 'adam', loss: losses.sparseCategoricalCrossentropy({ fromLogits: true }) })
await saveModel(keras, 'net.pth')
export const threads: number = device().threads
{
  await using _held = device()
}
await closeDevice()
// @ts-expect-error -- arguments are checked
net('no tensor')
`,
)

/** No library of a page, no library check left out: what a strict user has. */
function problems(types: readonly string[]): string {
  const options = { strict: true, skipLibCheck: false, module: 'nodenext', target: 'es2023', lib: ['ES2023'], types }
  const more = { noEmit: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true }
  const config = { compilerOptions: { ...options, ...more }, files: ['mine.ts'] }
  writeFileSync(join(at, 'tsconfig.json'), JSON.stringify(config))
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', at], { encoding: 'utf8' })
  return status === 0 ? '' : `${status}\n${stdout}${stderr}`
}

test('declarations compile in a strict program without DOM, whether it asks for @types/node or not', () => {
  for (const types of [[], [join(root, 'node_modules', '@types', 'node')]]) assert.equal(problems(types), '')
})
