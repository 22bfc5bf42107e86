/**
 * Members of a tar or tar.gz file, read one after the other into memory; nothing is ever extracted to disk, so a
 * member's path cannot lead anywhere. Not here: what the members mean.
 */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { createTarDecoder } from 'modern-tar'
import { LenetError, messageOf } from '../base/index.js'

export interface TarMember {
  readonly name: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** No data set that we read has a bigger member. */
const largestMember = 200_000_000
/** CIFAR-10's archives unpack to less than 190 MB. */
const largestTar = 1_000_000_000

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
  } finally {
    await file.close()
  }
}

/** Stops an archive that unpacks without end. */
async function* bounded(chunks: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let total = 0
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > largestTar) throw new LenetError(`it unpacks to more than ${largestTar} bytes`)
    yield chunk
  }
}

/** Pulled chunk by chunk, so that a slow reader holds the file back. */
function webStream(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
    async cancel() {
      await chunks.return(undefined)
    },
  })
}

async function bodyOf(body: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array<ArrayBuffer>> {
  if (size > largestMember) throw new LenetError(`a member of ${size} bytes is too big`)
  const bytes = new Uint8Array(size)
  let at = 0
  for await (const chunk of body) {
    if (at + chunk.length > size) throw new LenetError('a member is longer than its header says')
    bytes.set(chunk, at)
    at += chunk.length
  }
  if (at < size) throw new LenetError(`it is cut off: a member has ${at} of ${size} bytes`)
  return bytes
}

/** Read to the end: modern-tar 0.8 waits for ever when the first member's body is cancelled. */
async function skip(body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of body);
}

/** The file as bytes of tar, unzipped where it is gzip. */
async function tarBytes(path: string): Promise<Readable> {
  const file = createReadStream(path)
  if (!(await isGzip(path))) return file
  const gunzip = createGunzip()
  file.on('error', (error) => gunzip.destroy(error))
  gunzip.on('close', () => file.destroy())
  return file.pipe(gunzip)
}

function archiveError(path: string, error: unknown): LenetError {
  const reason = messageOf(error)
  return new LenetError(`${path} cannot be read as an archive: ${reason}`, { cause: error })
}

/**
 * The file members whose path `wanted` accepts, in the archive's order.
 * Throws LenetError that names the archive: damaged, cut off, or too big.
 */
export async function* tarMembers(path: string, wanted: (name: string) => boolean): AsyncGenerator<TarMember> {
  try {
    const entries = webStream(bounded(await tarBytes(path))).pipeThrough(createTarDecoder())
    for await (const { header, body } of entries) {
      if (header.type === 'file' && wanted(header.name)) {
        yield { name: header.name, bytes: await bodyOf(body, header.size) }
      } else await skip(body)
    }
  } catch (error) {
    throw archiveError(path, error)
  }
}
