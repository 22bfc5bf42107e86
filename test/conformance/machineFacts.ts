/**
 * Prints, as one JSON line, what this process's processor offers: to WebAssembly, and to native code with which flags.
 * Not a test: scripts/test-processors.mjs runs it on emulated processors.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deviceInfo } from '../../src/device/index.js'
import { startNativeService } from '../../src/device/index.node.js'
import { device } from '../../src/tensor/index.js'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lenet-facts-')))
const service = startNativeService({ folder: join(folder, 'native') })
const native = service.wait()
service.close()
rmSync(folder, { recursive: true, force: true })
const { name, notices } = device()
console.log(JSON.stringify({ arch: process.arch, ...deviceInfo(), native, auto: name, notices }))
