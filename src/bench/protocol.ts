/**
 * What is said between the benchmark and its participants, processes of their own: a line of JSON each way. A
 * participant warms up, says `ready`, then does what it is asked until its stdin ends. While it waits it does nothing.
 * Not here: processes (participant.node.ts).
 */
import type { LayerSpec } from './nets.js'

/** What a participant gets as its only argument, in JSON. */
export interface Task {
  /** train: whole steps with Adam, the loss read after each; predict: logits, read. */
  readonly kind: 'train' | 'predict'
  /** Of `netNames`. */
  readonly net: string
  readonly layers: readonly LayerSpec[]
  readonly width: number
  /** Pixels along a side of a picture; 3 channels. */
  readonly side: number
  readonly batch: number
  readonly threads: number
  /** Of several ways to do it, this one: a device of ours, a mode of PyTorch's, a backend of tfjs's. */
  readonly mode: string
  /** Seconds of steps before `ready`, at least. At least one step is done. */
  readonly warmSeconds: number
}

export type Question =
  | { readonly ask: 'measure'; readonly seconds: number }
  /** Time by kernel; only we answer it. */
  | { readonly ask: 'kernels' }

export interface KernelTime {
  readonly name: string
  readonly us: number
  /** Floating-point operations, counted densely; 0 where none are counted. */
  readonly flops: number
}

export type Answer =
  /** Versions and the like, for the results. */
  | { readonly event: 'ready'; readonly facts: Readonly<Record<string, string>> }
  /** Milliseconds of each step, or of each group of steps divided by their number; the most memory that the process had. */
  | { readonly event: 'steps'; readonly ms: readonly number[]; readonly peakMB?: number }
  | { readonly event: 'kernels'; readonly kernels: readonly KernelTime[] }
  | { readonly event: 'failed'; readonly reason: string }

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const isKernel = (value: unknown): value is KernelTime =>
  isRecord(value) &&
  typeof value['name'] === 'string' &&
  typeof value['us'] === 'number' &&
  typeof value['flops'] === 'number'

function isAnswer(value: unknown): value is Answer {
  if (!isRecord(value)) return false
  const { event, facts, ms, peakMB = 0, kernels, reason } = value
  if (event === 'ready') return isRecord(facts)
  if (event === 'steps')
    return Array.isArray(ms) && ms.every((step) => typeof step === 'number') && typeof peakMB === 'number'
  if (event === 'kernels') return Array.isArray(kernels) && kernels.every(isKernel)
  return event === 'failed' && typeof reason === 'string'
}

/** The answer in a line; undefined for what a library may have printed besides. */
export function parseAnswer(line: string): Answer | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return isAnswer(value) ? value : undefined
  } catch {
    return undefined
  }
}
