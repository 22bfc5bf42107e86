/**
 * Nets with branches for check_branches.py: those that people build, and random ones, as modules and in Keras' idiom. A net
 * is a list of steps on pictures [4, 8, 8]; value 0 is the stem's, value i + 1 that of step i.
 * Not here: files (writeBranches.ts).
 */
import { Generator } from '../../../src/base/index.js'
import { F, nn, torch } from '../../../src/index.js'
import type { Tensor } from '../../../src/index.js'
import { Input, layers, model, type KerasTensor, type Model } from '../../../src/keras/index.node.js'

export interface Step {
  /** join: concatenated and brought to 4 channels; gate: squeeze and excitation. */
  readonly op: 'conv' | 'point' | 'norm' | 'relu' | 'add' | 'join' | 'gate'
  readonly reads: readonly number[]
}

const one = (op: Step['op'], read: number): Step => ({ op, reads: [read] })
const many = (op: Step['op'], ...reads: number[]): Step => ({ op, reads })

export const knownNets: Readonly<Record<string, readonly Step[]>> = {
  short_and_deep: [one('conv', 0), one('conv', 0), one('relu', 2), one('conv', 3), many('add', 1, 4)],
  deep_and_short: [one('conv', 0), one('relu', 1), one('conv', 2), one('conv', 0), many('add', 3, 4)],
  inception: [
    one('point', 0),
    one('point', 0),
    one('relu', 2),
    one('conv', 3),
    one('point', 0),
    one('relu', 5),
    one('conv', 6),
    one('relu', 7),
    one('conv', 8),
    many('join', 1, 4, 9),
  ],
  shortcut_last: [
    one('conv', 0),
    one('norm', 1),
    one('relu', 2),
    one('conv', 3),
    one('norm', 4),
    one('point', 0),
    one('norm', 6),
    many('add', 5, 7),
    one('relu', 8),
  ],
  shortcut_first: [
    one('point', 0),
    one('norm', 1),
    one('conv', 0),
    one('norm', 3),
    one('relu', 4),
    one('conv', 5),
    one('norm', 6),
    many('add', 7, 2),
    one('relu', 8),
  ],
  gated: [one('conv', 0), one('norm', 1), one('gate', 2), many('add', 3, 0), one('relu', 4), one('gate', 5)],
  dense: [
    one('norm', 0),
    one('conv', 1),
    many('join', 0, 2),
    one('norm', 3),
    one('conv', 4),
    many('join', 0, 2, 5),
    one('conv', 6),
    many('join', 0, 2, 5, 7),
  ],
}

/** What no step reads is added up at last, so that the net gives one value. */
function closed(steps: readonly Step[]): Step[] {
  const read = new Set(steps.flatMap(({ reads }) => reads))
  const ends = Array.from({ length: steps.length + 1 }, (_, i) => i).filter((i) => !read.has(i))
  return ends.length > 1 ? [...steps, many('add', ...ends.toReversed())] : [...steps]
}

export function randomSteps(seed: number): Step[] {
  const random: Generator = new Generator(seed)
  const below = (count: number): number => Math.floor((random.uniform(new Float32Array(1))[0] ?? 0) * count)
  const recent = (count: number): number => Math.max(0, count - 1 - below(5))
  const ops = ['conv', 'conv', 'point', 'norm', 'relu', 'add', 'add', 'join', 'gate'] as const
  const steps: Step[] = []
  for (let i = 0; i < 5 + below(14); i++) {
    const op = ops[below(ops.length)] ?? 'conv'
    const wanted = op === 'add' || op === 'join' ? 2 + below(2) : 1
    const reads = [...new Set(Array.from({ length: wanted }, () => recent(i + 1)))]
    steps.push({ op: reads.length === 1 && wanted > 1 ? 'conv' : op, reads })
  }
  return closed(steps)
}

type Part = nn.Conv2d | nn.BatchNorm2d

function partOf({ op, reads }: Step): Part {
  const point = (channels: number) => new nn.Conv2d(channels, 4, 1)
  if (op === 'conv') return new nn.Conv2d(4, 4, 3, { padding: 1 })
  return op === 'norm' ? new nn.BatchNorm2d(4) : point(op === 'join' ? 4 * reads.length : 4)
}

/** Parts are made, and so numbered by PyTorch, in an order of their own. */
export class Branches extends nn.Module {
  readonly stem = new nn.Conv2d(3, 4, 3, { padding: 1 })
  readonly parts: nn.ModuleList
  readonly fc = new nn.Linear(256, 5)
  readonly #steps: readonly Step[]
  readonly #parts: readonly Part[]

  constructor(steps: readonly Step[]) {
    super()
    this.#steps = steps
    this.#parts = steps.map(partOf)
    this.parts = new nn.ModuleList(this.#parts.toReversed())
  }

  forward(x: Tensor): Tensor {
    const values = [F.relu(this.stem(x))]
    for (const [i, { op, reads }] of this.#steps.entries()) {
      const [first, ...others] = reads.map((read) => values[read] ?? x)
      const part = this.#parts[i]
      if (first === undefined || part === undefined) throw new Error(`step ${i} reads nothing`)
      if (op === 'relu') values.push(F.relu(first))
      else if (op === 'add') values.push(others.reduce((sum, other) => sum.add(other), first))
      else if (op === 'join') values.push(part(torch.cat([first, ...others], 1)))
      else if (op === 'gate') values.push(first.mul(part(F.adaptiveAvgPool2d(first, 1)).sigmoid()))
      else values.push(part(first))
    }
    return this.fc(values.at(-1)?.flatten(1) ?? x)
  }
}

function applied({ op }: Step, values: readonly KerasTensor[]): KerasTensor {
  const [first] = values
  if (first === undefined) throw new Error(`${op} reads nothing`)
  const point = (x: KerasTensor, activation?: 'sigmoid'): KerasTensor =>
    layers.conv2d(4, 1, activation === undefined ? {} : { activation }).apply(x)
  if (op === 'conv') return layers.conv2d(4, 3, { padding: 'same', activation: 'relu' }).apply(first)
  if (op === 'point') return point(first)
  if (op === 'norm') return layers.batchNormalization().apply(first)
  if (op === 'relu') return layers.reLU().apply(first)
  if (op === 'add') return layers.add().apply(values)
  if (op === 'join') return point(layers.concatenate().apply(values))
  const gate = point(layers.globalAveragePooling2d({ keepdims: true }).apply(first), 'sigmoid')
  return layers.multiply().apply([first, gate])
}

export function kerasBranches(steps: readonly Step[]): Model {
  const x = Input([8, 8, 3])
  const values = [layers.conv2d(4, 3, { padding: 'same' }).apply(x)]
  for (const step of steps)
    values.push(
      applied(
        step,
        step.reads.flatMap((read) => values[read] ?? []),
      ),
    )
  const end = values.at(-1) ?? x
  return model({ inputs: x, outputs: layers.dense(5).apply(layers.flatten().apply(end)) })
}
