/**
 * Worker threads for steps: one crew for all copies of this library in a thread, started when first wanted and made larger
 * when a copy wants more. Not here: what they do (member.node.ts), who calls them (team.ts).
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { messageOf } from '../../base/index.js'
import type { Crew } from './platform.js'
import { command, type Mail, type MemberData } from './protocol.js'
import { share, shared, unshare } from './shared.node.js'
import { hasEnded, startThread } from './thread.node.js'
import { memberCode } from './workerCode.js'

interface Member {
  readonly worker: Worker
  port: MessagePort
  /** What it said when it failed. */
  readonly said: string[]
}

interface SharedCrew {
  readonly words: Int32Array
  readonly members: Member[]
  /** Copies that the members know, the one that called last at the end. */
  readonly sites: number[]
}

const name = 'crew'
/** Copies beyond this that have not called for the longest time are forgotten: one may be gone, and its memory is large. */
const mostSites = 2
const mostMembers = 1024

/** A number for a copy of this library that no other has. */
function newSite(): number {
  const site = (shared<number>('sites') ?? 0) + 1
  share('sites', site)
  return site
}

function newCrew(): SharedCrew {
  const words = new Int32Array(new SharedArrayBuffer(4 * (command.started + mostMembers)))
  const crew = { words, members: [], sites: [] }
  share(name, crew)
  return crew
}

function startMember({ words, members }: SharedCrew): void {
  const { port1, port2 } = new MessageChannel()
  const data: MemberData = { words, tid: members.length + 1 }
  const worker = startThread(memberCode, data, port2)
  // an error ends the thread, which is noticed; without a listener it would end the process
  worker.on('error', () => {})
  port1.unref()
  members.push({ worker, port: port1, said: [] })
}

function listen({ port, said }: Member): void {
  for (let found; (found = receiveMessageOnPort(port) as { message: string } | undefined);) said.push(found.message)
}

/**
 * Whether a member's thread has ended, without this thread's event loop, which may be in the middle of a step: the port to a
 * thread that has ended is closed once its last message is read, and a closed port cannot be given away.
 */
function isGone(member: Member): boolean {
  listen(member)
  const { port1, port2 } = new MessageChannel()
  try {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
    port1.postMessage(member.port, [member.port])
  } catch {
    return true
  } finally {
    port1.unref()
    port2.unref()
  }
  member.port = (receiveMessageOnPort(port2) as { message: MessagePort }).message
  member.port.unref()
  port1.close()
  return false
}

function post({ words, members }: SharedCrew, mails: readonly Mail[]): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
  for (const { port } of members) for (const mail of mails) port.postMessage(mail)
  Atomics.add(words, command.mails, mails.length)
}

/** Those who are new know no copy: all copies tell all members anew. */
function grow(crew: SharedCrew, size: number): string | undefined {
  if (crew.members.length >= size) return undefined
  post(
    crew,
    crew.sites.splice(0).map((site) => ({ kind: 'leave', site })),
  )
  try {
    while (crew.members.length < size) startMember(crew)
  } catch (error) {
    return messageOf(error)
  }
  return undefined
}

function enter(crew: SharedCrew, site: number, all: () => readonly Mail[]): void {
  const { sites } = crew
  if (sites.at(-1) === site) return
  const at = sites.indexOf(site)
  if (at >= 0) sites.splice(at, 1)
  else post(crew, all())
  sites.push(site)
  if (sites.length > mostSites) post(crew, [{ kind: 'leave', site: sites.shift() ?? 0 }])
}

async function stop({ members }: SharedCrew): Promise<void> {
  await Promise.all(members.map(({ worker }) => worker.terminate()))
  for (const { port } of members) port.close()
}

/**
 * The crew as one copy of the library sees it.
 * @param wanted members besides the thread that calls; there may be fewer
 * @param notice is given a line for the user where there are
 */
export function joinCrew(wanted: number, notice: (line: string) => void): Crew {
  const crew = shared<SharedCrew>(name) ?? newCrew()
  const problem = grow(crew, wanted)
  const size = Math.min(wanted, crew.members.length)
  if (problem !== undefined)
    notice(
      `worker threads cannot be started (${problem}): ${size === 0 ? 'one thread computes' : `${size + 1} threads compute`}`,
    )
  const members = crew.members.slice(0, size)
  const site = newSite()
  return {
    site,
    size,
    words: crew.words,
    isClosed: () => shared(name) !== crew,
    isWhole: () => !members.some(({ worker }) => hasEnded(worker)),
    enter: (all) => enter(crew, site, all),
    post: (mail) => void (crew.sites.includes(site) && post(crew, [mail])),
    hasLost: () => members.some(isGone),
    failures: () => {
      members.forEach(listen)
      return members.flatMap(({ said }) => said)
    },
    stop: () => {
      if (shared(name) === crew) unshare(name)
      return stop(crew)
    },
  }
}
