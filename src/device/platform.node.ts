/**
 * What a device asks of the platform, in Node: threads, native code, what was measured on this machine.
 * Not here: anything that a browser can do too.
 */
import { availableParallelism } from 'node:os'
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { DeviceMemory } from './memory.js'
import { NativeTier } from './native/index.node.js'
import type { Member, Native } from './platform.js'
import type { MemberData, Team } from './team.js'

export type { Member, Native } from './platform.js'
export { enableRelaxedSimd } from './switches.node.js'
export { readTuning } from './tuning.node.js'

/** A thread; null where the system gives no more. */
function startWorker(data: MemberData, port: MessagePort): Worker | null {
  try {
    return new Worker(new URL('./worker.node.js', import.meta.url), {
      workerData: { ...data, port },
      transferList: [port],
      // what the process was started with need not suit a file: --input-type, --eval
      execArgv: [],
    })
  } catch {
    return null
  }
}

/** Starts a worker. It goes away with the process and keeps none alive. */
export function startMember(data: MemberData): Member | null {
  const { port1, port2 } = new MessageChannel()
  const worker = startWorker(data, port2)
  if (!worker) return null
  worker.unref()
  port1.unref()
  let isAlive = true
  for (const end of ['error', 'exit']) worker.on(end, () => (isAlive = false))
  return {
    get isAlive() {
      return isAlive
    },
    post: (load) => port1.postMessage(load),
    receive: () => receiveMessageOnPort(port1)?.message as string | undefined,
    stop: () => void worker.terminate(),
  }
}

/** Cores that a team may use unless told otherwise. */
export const coreCount = availableParallelism

/** Native code; whether this machine can make it is found out when it is asked for. `notice` is given lines for the user. */
export function nativeTier(memory: DeviceMemory, team: Team, notice: (line: string) => void): Native | null {
  return new NativeTier(memory, team, notice)
}
