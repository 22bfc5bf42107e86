/** Starts threads of ours. Their code is a text, not a file: a bundler that puts us into one file need not know of it. */
import { type MessagePort, Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * A thread that keeps no process alive.
 * @param code one of workerCode.ts
 * @param data what it begins with, besides its end of the channel
 * @throws where the system gives no more threads, or does not allow them
 */
export function startThread(
  code: string,
  data: object,
  port: MessagePort,
  limits: NonNullable<WorkerOptions['resourceLimits']> = {},
): Worker {
  const worker = new Worker(code, {
    eval: true,
    workerData: { ...data, port },
    transferList: [port],
    execArgv: [...permissions(), '--input-type=commonjs'],
    resourceLimits: limits,
  })
  worker.unref()
  return worker
}

/**
 * What the process was started with need not suit this text; but a thread that is given other switches than its process is
 * not bound by --permission, so there it is given all of them.
 */
const permissions = (): string[] => ('permission' in process && process.permission ? process.execArgv : [])

/** Known only when the event loop of the thread that started it has run. */
export const hasEnded = ({ threadId }: Worker): boolean => threadId === -1
