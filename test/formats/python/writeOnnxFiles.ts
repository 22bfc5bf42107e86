/**
 * Writes ONNX files into the folder given, each with pictures and the logits that the plain runner gives, for check_onnx.py:
 * a net of every operation, and what we make of the files of other programs.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readOnnx, writeOnnx } from '../../../src/formats/index.js'
import type { NetFile } from '../../../src/formats/net.js'
import { everyOperation } from '../everyOperation.js'
import { runNet } from '../runNet.js'

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node writeOnnxFiles.js FOLDER')
mkdirSync(folder, { recursive: true })

interface Case {
  readonly file: string
  readonly external: Readonly<Record<string, string>>
}

function write(to: string, name: string, net: NetFile): void {
  const shape = (net.inputs[0]?.shape ?? []).map(Number)
  const count = shape.reduce((product, size) => product * size, 1)
  const pictures = [0, 1, 2].map((which) => Float32Array.from({ length: count }, (_, i) => Math.sin(i + which)))
  const logits = pictures.map((picture) => [...runNet(net, picture)])
  writeFileSync(join(to, `${name}.onnx`), writeOnnx(net))
  writeFileSync(join(to, `${name}.json`), JSON.stringify({ shape, pictures: pictures.map((p) => [...p]), logits }))
}

write(folder, 'every_operation', everyOperation().net)
const fixtures = new URL('../../../../test/formats/fixtures/onnx.json', import.meta.url)
const cases: Readonly<Record<string, Case>> = JSON.parse(readFileSync(fixtures, 'utf8'))
for (const [name, { file, external }] of Object.entries(cases)) {
  const net = readOnnx(Buffer.from(file, 'base64'), name, (wanted) => Buffer.from(external[wanted] ?? '', 'base64'))
  write(folder, name, net)
}
