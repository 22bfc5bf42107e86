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
    // what the process was started with need not suit this text
    execArgv: ['--input-type=commonjs'],
    resourceLimits: limits,
  })
  worker.unref()
  return worker
}

/** Known only when the event loop of the thread that started it has run. */
export const hasEnded = ({ threadId }: Worker): boolean => threadId === -1
