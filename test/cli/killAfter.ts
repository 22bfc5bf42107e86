/**
 * Loaded before a program: sends it the signal KILL_SIGNAL when it has written the text KILL_AFTER. Whoever reads its
 * output from outside may be late on a busy machine. Not a test.
 */
import { isMainThread } from 'node:worker_threads'

const { KILL_AFTER: after = '', KILL_SIGNAL: signal = '' } = process.env
let isDone = !isMainThread

for (const stream of [process.stdout, process.stderr]) {
  const write = stream.write.bind(stream)
  let written = ''
  stream.write = (text: unknown, ...more: never[]): boolean => {
    const isFull = write(text as string, ...more)
    written += String(text)
    if (!isDone && written.includes(after)) {
      isDone = true
      process.kill(process.pid, signal)
    }
    return isFull
  }
}
