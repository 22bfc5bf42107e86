/**
 * A worker thread of the team: waits for a step to be called, does its share, waits again. It never returns to an event
 * loop; code comes by a port that is read synchronously. It serves all copies of this library in its process.
 * Not here: who calls (team.ts). This file and what it imports become one text (workerCode.ts).
 */
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { messageOf } from '../base/index.js'
import { instanceOn } from './instance.js'
import type { LinearMemory } from './memory.js'
import { loadLibrary } from './native/library.node.js'
import { command, tellFailure, type Code, type Loaded, type Mail, type MemberData, type Step } from './protocol.js'

/** Milliseconds in which the next step is looked for before the thread sleeps: longer than what lies between two steps. */
const lookFor = 2

const { words, tid, port } = workerData as MemberData & { port: MessagePort }

interface Site {
  readonly memory: LinearMemory
  readonly team: number
  readonly codes: Map<number, Code>
  readonly steps: Map<number, Loaded>
}

const sites = new Map<number, Site>()
let mails = 0

function readMail(): void {
  const posted = Atomics.load(words, command.mails)
  if (posted === mails) return
  mails = posted
  for (let found; (found = receiveMessageOnPort(port) as { message: Mail } | undefined);) {
    const { message } = found
    if (message.kind === 'leave') sites.delete(message.site)
    else if (message.kind === 'load') sites.get(message.site)?.codes.set(message.id, message.code)
    else if (message.kind === 'drop') forget(sites.get(message.site), message.id)
    else sites.set(message.site, { memory: message.memory, team: message.team, codes: new Map(), steps: new Map() })
  }
}

function forget(site: Site | undefined, id: number): void {
  site?.steps.get(id)?.close()
  site?.steps.delete(id)
  site?.codes.delete(id)
}

function load(code: Code, memory: LinearMemory): Loaded {
  if (code.kind === 'native') {
    const library = loadLibrary(code.step, code.program, memory, code.caller)
    if ('error' in library) throw new Error(library.error)
    return library
  }
  const { step } = instanceOn(code.module, memory).exports
  if (typeof step !== 'function') throw new Error('the module has no step')
  return { step: step as Step, close: () => {} }
}

function stepOf({ memory, codes, steps }: Site, id: number): Loaded {
  const known = steps.get(id)
  if (known) return known
  const code = codes.get(id)
  if (!code) throw new Error(`code ${id} has not come`)
  const step = load(code, memory)
  steps.set(id, step)
  codes.delete(id)
  return step
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
function fail(error: unknown, site: Site | undefined): void {
  port.postMessage(messageOf(error))
  if (!site) return
  tellFailure(new Int32Array(site.memory.buffer, site.team))
}

interface Call {
  readonly site: number
  readonly code: number
  readonly table: number
  readonly members: number
}

/** What is called; undefined where the next call is being written already. */
function readCall(calls: number): Call | undefined {
  const word = (index: number): number => Atomics.load(words, index)
  const { site, code, table, members } = command
  const call = { site: word(site), code: word(code), table: word(table), members: word(members) }
  return word(command.calling) === calls ? call : undefined
}

/** This member's share of a step. False where the team is at its end. */
function share({ site: number, code, table, members }: Call): boolean {
  if (tid >= members) return true
  const site = sites.get(number)
  try {
    if (!site) throw new Error(`the memory of copy ${number} has not come`)
    return stepOf(site, code).step(table, tid, members, site.team) === 0
  } catch (error) {
    fail(error, site)
    return false
  }
}

function work(): void {
  let seen = Atomics.load(words, command.calls)
  Atomics.store(words, command.started + tid, 1)
  for (;;) {
    waitForCall(seen)
    const calls = Atomics.load(words, command.calls)
    const call = calls === seen ? undefined : readCall(calls)
    if (!call) continue
    seen = calls
    readMail()
    if (!share(call)) return
  }
}

work()
