/**
 * A participant as a child process that stays alive, is asked for a short measurement at a time, and meanwhile waits.
 * Not here: what it does (workerOurs.node.ts, bench/), what is said (protocol.ts).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { LenetError } from '../base/index.js'
import { parseAnswer, type Answer, type KernelTime, type Question, type Task } from './protocol.js'
import type { Measurable, Measured } from './rounds.js'

/** How a participant is started: the task follows as last argument, in JSON. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Slow ones take part in so many rounds only. */
  readonly maxRounds?: number
}

/** For an answer: torch.compile takes minutes on small machines, and tfjs half a minute a step. */
const patienceMs = 300_000

const alive = new Set<ChildProcess>()
process.on('exit', () => alive.forEach((child) => child.kill('SIGKILL')))

/** The last line that says something, of what a process wrote to stderr. */
const lastLine = (text: string): string =>
  text
    .trim()
    .split('\n')
    .findLast((line) => line.trim() !== '')
    ?.trim() ?? ''

export class Participant implements Measurable {
  readonly task: Task
  readonly #child: ChildProcess
  #stderr = ''
  #facts: Readonly<Record<string, string>> = {}
  /** What came and nobody waited for yet: a process may fail while it waits. */
  readonly #answers: Answer[] = []
  #wake: (() => void) | undefined

  /** Starts it and waits until it has warmed up. Throws LenetError with its reason if it fails. */
  static async start({ command, args, env }: Launch, task: Task): Promise<Participant> {
    const child = spawn(command, [...args, JSON.stringify(task)], { env: { ...process.env, ...env } })
    const participant = new Participant(child, task)
    try {
      participant.#facts = (await participant.#answer('ready')).facts
      return participant
    } catch (error) {
      participant.stop()
      throw error
    }
  }

  private constructor(child: ChildProcess, task: Task) {
    this.task = task
    this.#child = child
    alive.add(child)
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => this.#hear(parseAnswer(line)))
    child.stderr?.on('data', (text: Buffer) => (this.#stderr = (this.#stderr + text.toString()).slice(-4000)))
    child.stdin?.on('error', () => {})
    child.on('error', (error) => this.#hear({ event: 'failed', reason: error.message }))
    child.on('close', (code, signal) => {
      alive.delete(child)
      this.#hear({
        event: 'failed',
        reason: lastLine(this.#stderr) || `it ended with ${signal ?? `exit code ${code}`}`,
      })
    })
  }

  /** Versions and the like. */
  get facts(): Readonly<Record<string, string>> {
    return this.#facts
  }

  async measure(seconds: number): Promise<Measured> {
    this.#ask({ ask: 'measure', seconds })
    return this.#answer('steps')
  }

  async kernels(): Promise<readonly KernelTime[]> {
    this.#ask({ ask: 'kernels' })
    return (await this.#answer('kernels')).kernels
  }

  /** Ends the process. */
  stop(): void {
    this.#child.kill('SIGKILL')
  }

  #ask(question: Question): void {
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`)
  }

  #hear(answer: Answer | undefined): void {
    if (!answer) return
    this.#answers.push(answer)
    this.#wake?.()
  }

  async #answer<E extends Answer['event']>(event: E): Promise<Extract<Answer, { event: E }>> {
    if (this.#answers.length === 0) await this.#somethingHeard()
    const answer = this.#answers.shift()
    if (answer && isEvent(answer, event)) return answer
    throw new LenetError(answer?.event === 'failed' ? answer.reason : `it answered ${answer?.event}, not ${event}`)
  }

  async #somethingHeard(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((_, reject) => {
      timer = setTimeout(() => reject(new LenetError(`no answer in ${patienceMs / 1000} seconds`)), patienceMs)
    })
    await Promise.race([late, new Promise<void>((resolve) => (this.#wake = resolve))]).finally(() =>
      clearTimeout(timer),
    )
  }
}

const isEvent = <E extends Answer['event']>(answer: Answer, event: E): answer is Extract<Answer, { event: E }> =>
  answer.event === event
