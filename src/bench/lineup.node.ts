/** Who takes part: each participant's name, its task and how it is started. Not here: measuring (run.node.ts). */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LenetError, messageOf } from '../base/index.js'
import { npmCommand } from '../base/programs.node.js'
import type { Python } from './machine.node.js'
import { layersOf, usualInput, type NetName } from './nets.js'
import type { Launch } from './participant.node.js'
import { benchFile, hasBenchFile, scriptFile } from './places.node.js'
import type { Task } from './protocol.js'

export interface Entrant {
  readonly who: string
  readonly task: Task
  readonly launch: Launch
}

export const ourDevices = ['native', 'wasm'] as const
export type OurDevice = (typeof ourDevices)[number]

export const torchModes = ['eager', 'fused', 'channels-last', 'compile'] as const
export type TorchMode = (typeof torchModes)[number]

/** What of a task is not the same for all. */
export interface Shape {
  readonly net: NetName
  readonly threads: number
  readonly batch?: number
  readonly width?: number
  readonly kind?: Task['kind']
}

const taskOf = (shape: Shape, mode: string, warmSeconds: number): Task => {
  const { net, threads, width = 1, kind = 'train' } = shape
  const { side, batch } = usualInput(net)
  return {
    kind,
    net,
    layers: layersOf(net, width),
    width,
    side,
    batch: shape.batch ?? batch,
    threads,
    mode,
    warmSeconds,
  }
}

export function ours(shape: Shape, device: OurDevice, warmSeconds: number): Entrant {
  return {
    who: `lenet-${device}`,
    task: taskOf(shape, device, warmSeconds),
    launch: { command: process.execPath, args: [scriptFile('workerOurs.node.js')] },
  }
}

const script = (name: string): string => fileURLToPath(benchFile(name))

/** No compiled files beside the scripts: the package's folder is not ours to write in. */
const pythonEnv = { PYTHONDONTWRITEBYTECODE: '1' }

export function torch({ path }: Python, shape: Shape, mode: TorchMode, warmSeconds: number): Entrant {
  // PyTorch's threads: OpenMP reads its own limit once, at the start.
  const env = { ...pythonEnv, OMP_NUM_THREADS: String(shape.threads) }
  return {
    who: `torch-${mode}`,
    task: taskOf(shape, mode, warmSeconds),
    launch: { command: path, args: [script('torch_participant.py')], env },
  }
}

export function keras({ path }: Python, shape: Shape, warmSeconds: number): Entrant {
  return {
    who: 'keras-fit',
    task: taskOf(shape, 'fit', warmSeconds),
    launch: { command: path, args: [script('keras_participant.py')], env: pythonEnv },
  }
}

const peer = (who: string, file: string, task: Task, maxRounds?: number): Entrant => ({
  who,
  task,
  launch: {
    command: process.execPath,
    args: [script(`peers/${file}`)],
    ...(maxRounds === undefined ? {} : { maxRounds }),
  },
})

/** What npm installs to train a net, each on the one thread that it has in Node. tfjs's plain backend is measured once. */
export function trainingPeers(shape: Shape, warmSeconds: number): Entrant[] {
  const alone = { ...shape, threads: 1 }
  return [
    peer('tfjs-wasm', 'tfjs.mjs', taskOf(alone, 'wasm', warmSeconds)),
    peer('jax-js', 'jax.mjs', taskOf(alone, 'wasm', warmSeconds)),
    peer('tfjs-cpu', 'tfjs.mjs', taskOf(alone, 'cpu', 0), 1),
  ]
}

export const onnxruntime = (shape: Shape, warmSeconds: number): Entrant =>
  peer('onnxruntime-node', 'onnxruntime.mjs', taskOf({ ...shape, kind: 'predict' }, 'cpu', warmSeconds))

/**
 * Installs the packages of a folder of bench/ where they are not yet.
 * @throws LenetError outside a clone, or when npm fails
 */
export function installPackages(folder: 'peers' | 'plots'): void {
  if (!hasBenchFile(`${folder}/package-lock.json`))
    throw new LenetError(
      `bench/${folder} is not in the installed package: clone the repository and run npm run bench there`,
    )
  if (hasBenchFile(`${folder}/node_modules/.package-lock.json`)) return
  const { file, args, shell } = npmCommand(['ci'])
  try {
    execFileSync(file, args, { cwd: script(folder), stdio: ['ignore', 'ignore', 'pipe'], shell })
  } catch (error) {
    throw new LenetError(`npm ci in bench/${folder} failed: ${messageOf(error).split('\n').slice(0, 3).join(' ')}`)
  }
}
