/**
 * Whether a real training step runs on every device of this machine, with the bits that every machine must get.
 * Not here: the step itself (doctorStep.ts), which runs in a process of its own: an engine may stop its process.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { codeOf, messageOf } from '../base/index.js'
import type { TierName } from '../tensor/index.js'
import { oneLine } from './output.js'

/** What doctorStep.ts prints: a digest of all parameters after the steps, and by how many threads; or why there is none. */
export type StepAnswer = { readonly digest: string; readonly threads: number } | { readonly error: string }

/** One device, tried. */
export type Tried =
  | { readonly device: TierName; readonly runs: true; readonly threads: number; readonly sameBits: boolean }
  | { readonly device: TierName; readonly runs: false; readonly reason: string; readonly untried?: true }

/** What the steps learn wherever multiply-adds are fused; written down once, when all devices had found it. */
const expected = '4b28b5b2580ab3ef278a63365414f314'

/** A compiler that hangs is given up before (LENET_CC_TIMEOUT). */
const limitMs = 180_000

interface TryOptions {
  readonly program?: string
  readonly env?: Readonly<Record<string, string>>
}

const script = fileURLToPath(new URL('./doctorStep.js', import.meta.url))

/**
 * Runs the steps on one device. `program` stands for doctorStep.js in tests; `env` are variables that are set for it.
 */
export function tryDevice(device: TierName, { program = script, env = {} }: TryOptions = {}): Promise<Tried> {
  const failed = (reason: string) => ({ device, runs: false, reason: oneLine(reason) }) as const
  const trial = new Promise<Tried>((resolve) => {
    const options = { timeout: limitMs, env: { ...process.env, ...env } }
    // by the switches that this process was started with: they may take something away
    execFile(process.execPath, [...process.execArgv, program, device], options, (error, stdout) => {
      const answer = error ? { error: whyStopped(error) } : (JSON.parse(stdout) as StepAnswer)
      if ('error' in answer) resolve(failed(answer.error))
      else resolve({ device, runs: true, threads: answer.threads, sameBits: answer.digest === expected })
    })
  })
  return trial.catch((error: unknown) => ({ ...failed(whyNone(error)), untried: true }))
}

const whyNone = (error: unknown): string =>
  codeOf(error) === 'ERR_ACCESS_DENIED'
    ? 'Node runs with --permission and may start no process (--allow-child-process)'
    : messageOf(error)

const whyStopped = ({ signal, code }: { signal?: string | null; code?: unknown }): string =>
  `its process was stopped in the middle of a step, ${signal ? `by ${signal}` : `with code ${String(code)}`}`

/** Of one device, for people. */
export function triedText(tried: Tried, fused: boolean): string {
  if (!tried.runs) return `${tried.untried ? 'not tried' : 'FAILS'}: ${tried.reason}`
  const by = tried.threads === 1 ? 'one thread' : `${tried.threads} threads`
  if (tried.sameBits) return `a training step runs, by ${by}, with every machine's bits`
  return fused || tried.device === 'interp'
    ? `FAILS: a training step runs, by ${by}, and learns other bits than it should`
    : `a training step runs, by ${by}; its last bits differ for want of fused multiply-add`
}

/** Whether it is as it should be. */
export const isWell = (tried: Tried, fused: boolean): boolean => !triedText(tried, fused).startsWith('FAILS')
