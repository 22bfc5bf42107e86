/**
 * Finds the state dict in a checkpoint and takes off the prefixes that wrappers put before every name.
 * Not here: reading the file (pth.ts); fitting the tensors into a net (src/nn).
 */
import { LenetError, isMap } from '../base/index.js'
import { isPthTensor, type PthFile, type PthTensor, type PthValue } from './pthTypes.js'
import { shownName } from './shownName.js'

type Dict = ReadonlyMap<string | number, PthValue>

/** What torch.optim.swa_utils.AveragedModel counts beside the net, which is its `module`. */
const averagedCount = 'n_averaged'

/** Where training scripts and libraries keep the state dict, most usual first. */
const usualKeys = [
  'state_dict',
  'model_state_dict',
  'model',
  'net',
  'network',
  'model_state',
  'weights',
  'params',
  'module',
]
/** DataParallel's and torch.compile's: never part of a net's own names. */
const wrapperPrefixes = ['module.', '_orig_mod.']
/** A LightningModule's usual attribute for the net. */
const attributePrefixes = ['model.', 'net.']

function tensorsOf(dict: Dict): Map<string, PthTensor> {
  const tensors = new Map<string, PthTensor>()
  for (const [key, value] of dict) if (isPthTensor(value) && typeof key === 'string') tensors.set(key, value)
  const names = [...tensors.keys()].filter((name) => name !== averagedCount)
  if (names.every((name) => name.startsWith('module.'))) tensors.delete(averagedCount)
  return tensors
}

/** Every dict that could be the state dict, best guess first. Scripts nest at most a few levels. */
function candidates(value: PthValue | undefined, depth = 0): Map<string, PthTensor>[] {
  if (!isMap(value) || depth > 3) return []
  const nested = usualKeys.flatMap((key) => candidates(value.get(key), depth + 1))
  const own = tensorsOf(value)
  // A dict of tensors next to a nested state dict is bookkeeping (a loss, a step), not the net.
  return own.size > 0 ? [...nested, own] : nested
}

function hits(tensors: ReadonlyMap<string, PthTensor>, expected: ReadonlySet<string>): number {
  return [...tensors.keys()].filter((name) => expected.has(name)).length
}

function withoutPrefix(tensors: Map<string, PthTensor>, prefix: string): Map<string, PthTensor> | undefined {
  if (
    tensors.size === 0 ||
    ![...tensors.keys()].every((name) => name.startsWith(prefix) && name.length > prefix.length)
  )
    return undefined
  return new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor]))
}

/** Takes off prefixes that all names share, until none is left or a name is one of those expected. */
function stripped(
  tensors: Map<string, PthTensor>,
  prefixes: readonly string[],
  expected: ReadonlySet<string>,
): Map<string, PthTensor> {
  if (hits(tensors, expected) > 0) return tensors
  for (const prefix of prefixes) {
    const rest = withoutPrefix(tensors, prefix)
    if (rest !== undefined) return stripped(rest, prefixes, expected)
  }
  return tensors
}

/**
 * The state dict in `whole`, or undefined. `model.` and `net.` are taken off only where the file is Lightning's or
 * where that gives expected names.
 */
export function findStateDict(
  whole: PthValue,
  expectedNames: Iterable<string> = [],
): Map<string, PthTensor> | undefined {
  const expected = new Set(expectedNames)
  const lightning = isMap(whole) && whole.has('pytorch-lightning_version')
  const variants = candidates(whole).flatMap((tensors) => {
    const unwrapped = stripped(tensors, wrapperPrefixes, expected)
    const bare = stripped(tensors, [...wrapperPrefixes, ...attributePrefixes], expected)
    return lightning ? [bare, unwrapped] : hits(bare, expected) > 0 ? [unwrapped, bare] : [unwrapped]
  })
  let best = variants[0]
  for (const variant of variants)
    if (best !== undefined && hits(variant, expected) > hits(best, expected)) best = variant
  return best
}

const listed = (keys: readonly (string | number)[]): string =>
  keys
    .slice(0, 8)
    .map((key) => shownName(String(key)).slice(0, 40))
    .join(', ')

function describeWhole(whole: PthValue): string {
  if (isMap(whole)) return whole.size === 0 ? 'an empty dict' : `a dict of ${listed([...whole.keys()])}`
  return isPthTensor(whole) ? 'a single tensor' : Array.isArray(whole) ? 'a list' : 'a plain value'
}

/**
 * The state dict of a file: what it is, or holds under `state_dict`, `model`, …; with `expectedNames` (the net's own
 * parameter names) the one that fits them best. Throws LenetError where the file holds none.
 */
export function selectStateDict(file: PthFile, expectedNames?: Iterable<string>): Map<string, PthTensor> {
  const found = findStateDict(file.whole, expectedNames)
  if (found === undefined) {
    throw new LenetError(
      `${file.name}: no state dict found: the file holds ${describeWhole(file.whole)}; save net.state_dict(), or put it under 'model'`,
    )
  }
  return found
}
