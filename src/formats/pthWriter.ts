/**
 * Writes PyTorch files that `torch.load(file, weights_only=True)` opens. Same values, same bytes: no time, device or
 * path is in them.
 * Not here: reading (pth.ts); files above 4 GiB.
 * Source: torch/serialization.py (_save): the members and their order.
 */
import { PickleWriter } from './pickleWriter.js'
import type { WritablePthValue, WritableTensor } from './pthTypes.js'
import { writeZip } from './zipWriter.js'

const text = new TextEncoder()
/** PyTorch names the folder after the file; a fixed name keeps the bytes the same under every name. */
const folder = 'archive'

function* members(writer: PickleWriter): Generator<readonly [string, Uint8Array]> {
  yield [`${folder}/data.pkl`, writer.end()]
  yield [`${folder}/.format_version`, text.encode('1')]
  yield [`${folder}/.storage_alignment`, text.encode('64')]
  yield [`${folder}/byteorder`, text.encode('little')]
  for (const [key, data] of writer.storages.entries()) {
    yield [`${folder}/data/${key}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]
  }
  yield [`${folder}/version`, text.encode('3\n')]
}

/**
 * A state dict as a `.pth`: an OrderedDict of tensors in the given order, for `net.load_state_dict(torch.load(file))`.
 * Each tensor's `data` holds product(shape) items in C order; else LenetError names it.
 */
export function writePth(tensors: Iterable<readonly [string, WritableTensor]>): Uint8Array {
  const writer = new PickleWriter()
  writer.stateDict(tensors)
  return writeZip(members(writer))
}

/**
 * A checkpoint as a `.pth`: dicts, lists, numbers, texts, booleans, null and tensors, nested. `readPth(…).whole` gives
 * them back (objects as Maps). Whole numbers become Python ints.
 */
export function writePthObject(value: WritablePthValue): Uint8Array {
  const writer = new PickleWriter()
  writer.value(value, '')
  return writeZip(members(writer))
}
