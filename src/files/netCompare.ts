/**
 * Nets as data beside each other: whether two are built alike, one with the other's names, weights exchanged.
 * Not here: files.
 */
import { LenetError } from '../base/index.js'
import {
  flattenInOrder,
  netTensors,
  shownName,
  walkBack,
  type NetFile,
  type NetNode,
  type NetTensor,
} from '../formats/index.js'

/** What does nothing at inference. */
const passive: ReadonlySet<string> = new Set(['dropout', 'augmentation'])

/** Nodes in the order in which a walk from the outputs leaves them: their order in files differs from format to format. */
function walked(net: NetFile): NetNode[] {
  const byName = new Map(net.nodes.map((node) => [node.name, node]))
  const named = (names: readonly string[]): NetNode[] => names.flatMap((name) => byName.get(name) ?? [])
  return [...walkBack(named(net.outputs), ({ inputs }) => named(inputs))]
}

/** The net's operations and connections without names, in an order of their own. */
function structure(net: NetFile): string[] {
  const places = new Map(net.inputs.map(({ name }, i) => [name, `input ${i}`]))
  const lines: string[] = []
  for (const node of walked(net)) {
    const { name, inputs, weights, ...op } = node
    const from = inputs.map((input) => places.get(input) ?? input)
    if (passive.has(node.op)) places.set(name, from[0] ?? '')
    else {
      places.set(name, `node ${lines.length}`)
      const shapes = [...weights].map(([key, { shape }]) => `${key} ${shape.join('×')}`).toSorted()
      lines.push(JSON.stringify([Object.entries(op).toSorted(([a], [b]) => (a < b ? -1 : 1)), from, shapes]))
    }
  }
  return [...lines, ...net.outputs.map((name) => places.get(name) ?? name)]
}

/** Flattens in PyTorch's order where the net allows it. */
export function inTorchOrder(net: NetFile): NetFile {
  try {
    return flattenInOrder(net, 'chw')
  } catch (error) {
    if (error instanceof LenetError) return net
    throw error
  }
}

/** True where both compute the same with the same weights. */
export const sameStructure = (a: NetFile, b: NetFile): boolean =>
  JSON.stringify(structure(inTorchOrder(a))) === JSON.stringify(structure(inTorchOrder(b)))

/** The net under the names of another that is built alike; passive nodes keep theirs. */
export function withNamesOf(net: NetFile, other: NetFile): NetFile {
  const active = (some: NetFile): NetNode[] => walked(some).filter(({ op }) => !passive.has(op))
  const wanted = active(other)
  const names = new Map(active(net).map(({ name }, i) => [name, wanted[i]?.name ?? name]))
  net.inputs.forEach(({ name }, i) => names.set(name, other.inputs[i]?.name ?? name))
  const taken = new Set(names.values())
  for (const { name, op } of net.nodes) {
    if (!passive.has(op)) continue
    let own = name
    while (taken.has(own)) own = `${own}_`
    taken.add(own)
    names.set(name, own)
  }
  const { parameterOrder: _old, ...whole } = renamed(net, (name) => names.get(name) ?? name)
  return other.parameterOrder === undefined ? whole : { ...whole, parameterOrder: other.parameterOrder }
}

function renamed(net: NetFile, to: (name: string) => string): NetFile {
  const nodes = net.nodes.map((node) => ({ ...node, name: to(node.name), inputs: node.inputs.map(to) }))
  const inputs = net.inputs.map((input) => ({ ...input, name: to(input.name) }))
  const whole = { ...net, inputs, nodes, outputs: net.outputs.map(to) }
  if (net.optimizer === undefined) return whole
  const toParameter = (name: string): string => {
    const dot = name.lastIndexOf('.')
    return `${to(name.slice(0, dot))}${name.slice(dot)}`
  }
  const { parameters, ...optimizer } = net.optimizer
  const state = new Map([...optimizer.state].map(([name, slots]) => [toParameter(name), slots]))
  const some = parameters === undefined ? {} : { parameters: parameters.map(toParameter) }
  return { ...whole, optimizer: { ...optimizer, state, ...some } }
}

/** The net with other weights of the same names and shapes. Throws LenetError, showing both sides. */
export function withWeights(net: NetFile, given: ReadonlyMap<string, NetTensor>, where: string): NetFile {
  const own = netTensors(net)
  const isCount = (name: string): boolean => name.endsWith('num_batches_tracked')
  const missing = [...own.keys()].filter((name) => !given.has(name))
  const more = [...given.keys()].filter((name) => !own.has(name) && !isCount(name))
  if (missing.length + more.length > 0)
    throw new LenetError(`${where}: the net has ${few(own.keys())}; the file has ${few(given.keys())}`)
  const nodes = net.nodes.map((node) => ({
    ...node,
    weights: new Map(
      [...node.weights].map(([key, { shape }]) => [key, fitting(given, `${node.name}.${key}`, shape, where)]),
    ),
  }))
  return { ...net, nodes }
}

function fitting(
  given: ReadonlyMap<string, NetTensor>,
  name: string,
  shape: readonly number[],
  where: string,
): NetTensor {
  const found = given.get(name)
  if (found !== undefined && String(found.shape) === String(shape)) return found
  throw new LenetError(
    `${where}: ${name}: expected shape [${shape.join(', ')}], found [${(found?.shape ?? []).join(', ')}]`,
  )
}

/** A few names; nobody reads sixty. */
export function few(names: Iterable<string>): string {
  const all = Array.from(names, shownName)
  return all.length <= 6 ? all.join(', ') : `${all.slice(0, 5).join(', ')} and ${all.length - 5} more`
}

export const parameterCount = (net: NetFile): number =>
  [...netTensors(net)].reduce(
    (sum, [name, { data }]) => (/\.running_(mean|var)$/.test(name) ? sum : sum + data.length),
    0,
  )
