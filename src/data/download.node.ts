/**
 * One file over https, which may break off: what has come is kept and the rest is asked for again. Not here: whether the
 * contents are right (the caller verifies them).
 */
import { open, rm, stat, type FileHandle } from 'node:fs/promises'
import { fileError } from '../base/fs.node.js'
import { LenetError, isError, messageOf } from '../base/index.js'

export interface DownloadOptions {
  readonly url: string
  /** The file to write; a part of it that is there already is kept. */
  readonly path: string
  readonly fetch: typeof globalThis.fetch
  readonly onBytes: (done: number, total: number) => void
  /** One line for each time the download breaks off. */
  readonly warn: (line: string) => void
  readonly signal?: AbortSignal | undefined
  /** How often to try before giving up; default 4. */
  readonly attempts?: number
  /** Wait before trying again, in milliseconds, doubled each time; default 1,000. */
  readonly pauseMs?: number
  /** Without a byte for so long, the connection counts as broken; default 60,000 milliseconds. */
  readonly stallMs?: number
}

/** Trying again would not help. */
class Refused extends LenetError {}

/** Our own disk failed, not the network. */
export class DiskError extends LenetError {}

interface Answer {
  readonly body: ReadableStream<Uint8Array>
  /** Where in the file the body starts. */
  readonly start: number
  /** Bytes of the whole file; 0 where the server does not say. */
  readonly total: number
}

function readAnswer(response: Response, have: number, url: string): Answer {
  const { status, body, headers } = response
  if (status >= 400 && status < 500 && status !== 408 && status !== 416 && status !== 429) {
    throw new Refused(`${url} answers ${status} ${response.statusText}`.trim())
  }
  if ((status !== 200 && status !== 206) || body === null) throw new LenetError(`the server answers ${status}`)
  const start = status === 206 ? have : 0
  const range = headers.get('content-range') ?? ''
  if (status === 206 && !range.startsWith(`bytes ${have}-`)) throw new LenetError('the server sends another part')
  const length = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0)
  return { body, start, total: length > 0 ? start + length : 0 }
}

async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new DiskError(fileError(error, path).message, { cause: error })
  }
}

/** Ends the request when no byte comes for a while. */
class Watch {
  readonly #controller = new AbortController()
  readonly #stallMs: number
  #timer: NodeJS.Timeout | undefined
  readonly signal: AbortSignal

  constructor(stallMs: number, outer: AbortSignal | undefined) {
    this.#stallMs = stallMs
    this.signal = outer === undefined ? this.#controller.signal : AbortSignal.any([outer, this.#controller.signal])
    this.feed()
  }

  feed(): void {
    this.stop()
    const reason = new LenetError(`nothing came for ${this.#stallMs / 1000} seconds`)
    this.#timer = setTimeout(() => this.#controller.abort(reason), this.#stallMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

async function saveBody(answer: Answer, file: FileHandle, watch: Watch, options: DownloadOptions): Promise<void> {
  const { body, start, total } = answer
  await onDisk(options.path, () => file.truncate(start))
  let at = start
  for await (const chunk of body) {
    watch.feed()
    await onDisk(options.path, () => file.writeFile(chunk))
    at += chunk.length
    options.onBytes(at, total)
  }
  if (total > 0 && at !== total) throw new LenetError(`the connection ended after ${at} of ${total} bytes`)
}

async function attempt(options: DownloadOptions, have: number): Promise<void> {
  const watch = new Watch(options.stallMs ?? 60_000, options.signal)
  const headers: Record<string, string> = { 'accept-encoding': 'identity' }
  if (have > 0) headers['range'] = `bytes=${have}-`
  try {
    const response = await options.fetch(options.url, { headers, signal: watch.signal })
    if (response.status === 416) await rm(options.path, { force: true })
    const answer = readAnswer(response, have, options.url)
    const file = await onDisk(options.path, () => open(options.path, 'a'))
    await saveBody(answer, file, watch, options).finally(() => file.close())
  } finally {
    watch.stop()
  }
}

function reasonOf(error: unknown): string {
  const cause = typeof error === 'object' && error !== null && 'cause' in error ? error.cause : undefined
  return (isError(cause) && cause.message) || messageOf(error)
}

/**
 * Downloads `url` to `path`, going on after a break where the server allows it.
 * Throws LenetError that names the address when it cannot be had, DiskError when it cannot be written, and the signal's
 * reason when it was aborted.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const attempts = options.attempts ?? 4
  for (let tried = 1; ; tried++) {
    const have = (await stat(options.path).catch(() => undefined))?.size ?? 0
    try {
      return await attempt(options, have)
    } catch (error) {
      options.signal?.throwIfAborted()
      if (error instanceof DiskError || error instanceof Refused) throw error
      const failure = `the download of ${options.url} broke off: ${reasonOf(error)}`
      if (tried >= attempts) throw new LenetError(failure, { cause: error })
      options.warn(`${failure}; trying again (${tried + 1} of ${attempts})`)
      await new Promise((resolve) => setTimeout(resolve, (options.pauseMs ?? 1000) * 2 ** (tried - 1)))
    }
  }
}
