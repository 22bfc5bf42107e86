/**
 * A worker thread of the team: waits for a step to be called, does its share, waits again. It never returns to an event
 * loop; new code comes by a port that is read synchronously.
 * Not here: who calls (team.ts).
 */
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { messageOf } from '../base/index.js'
import { teamBlock } from '../compiler/index.js'
import { instanceOn } from './instance.js'
import { loadLibrary } from './native/index.node.js'
import { command, type Load, type MemberData, type Step } from './team.js'

/** Milliseconds in which the next step is looked for before the thread sleeps: longer than what lies between two steps. */
const lookFor = 2

const { memory, team, tid, port } = workerData as MemberData & { port: MessagePort }
const words = new Int32Array(memory.buffer, team, command.words)
const steps = new Map<number, Step>()

function load({ id, code }: Load): void {
  if (code.kind === 'native') {
    const library = loadLibrary(code.path, memory)
    if ('error' in library) throw new Error(library.error)
    return void steps.set(id, library.step)
  }
  const { step } = instanceOn(code.module, memory).exports
  if (typeof step !== 'function') throw new Error('the module has no step')
  steps.set(id, step as Step)
}

function stepOf(id: number): Step {
  for (;;) {
    const known = steps.get(id)
    if (known) return known
    const message = receiveMessageOnPort(port)
    if (!message) throw new Error(`code ${id} has not come`)
    load(message.message as Load)
  }
}

function waitForCall(seen: number): void {
  const end = performance.now() + lookFor
  while (performance.now() < end) {
    for (let i = 0; i < 100; i++) if (Atomics.load(words, command.calls) !== seen) return
  }
  Atomics.add(words, command.sleeping, 1)
  Atomics.wait(words, command.calls, seen)
  Atomics.sub(words, command.sleeping, 1)
}

/** Tells the others, who may be waiting at a barrier. */
function fail(error: unknown): void {
  port.postMessage(messageOf(error))
  Atomics.store(words, teamBlock.failed / 4, 1)
  Atomics.add(words, teamBlock.passed / 4, 1)
  Atomics.notify(words, teamBlock.passed / 4)
}

function work(): void {
  let seen = Atomics.load(words, command.calls)
  Atomics.add(words, command.started, 1)
  for (;;) {
    waitForCall(seen)
    const calls = Atomics.load(words, command.calls)
    if (calls === seen) continue
    seen = calls
    try {
      const [id = 0, table = 0, members = 1] = words.subarray(command.code, command.members + 1)
      if (stepOf(id)(table, tid, members, team) !== 0) return
    } catch (error) {
      return fail(error)
    }
  }
}

work()
