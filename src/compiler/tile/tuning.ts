/**
 * Choices that were measured rather than computed: for each kernel that has one the candidates by name, the cost model's
 * first, and how a target's own choice among them is asked for. A choice changes speed only, never the order of a sum; what
 * is no candidate is never taken.
 * Not here: measuring (cli), where choices are kept (device).
 */
import {
  convTiles,
  linearGradTile,
  linearTile,
  type ConvShape,
  type ConvTile,
  type LinearGradTile,
  type LinearTile,
} from './choose.js'
import type { Target } from './target.js'

/** So many candidates of a kernel are tried. */
const mostCandidates = 10

/** Names of candidates, best first as the cost model has it. */
type Candidates<T> = ReadonlyMap<string, T>

function named<T extends object>(choices: readonly T[]): Candidates<T> {
  const found = new Map<string, T>()
  for (const choice of choices) if (found.size < mostCandidates) found.set(Object.values(choice).join('×'), choice)
  return found
}

/** The first candidate, unless the target was told of a better one. */
function choose<T extends object>(target: Target, key: string, choices: readonly T[]): T {
  const candidates = named(choices)
  const [first] = candidates.values()
  if (!first) throw new Error(`${key} has no candidates`)
  const name = target.tuned?.(key, [...candidates.keys()])
  return (name === undefined ? undefined : candidates.get(name)) ?? first
}

export function chooseConv(target: Target, shape: ConvShape): ConvTile {
  const { channels, rows, columns, window } = shape
  const fallback = { channels: 1, rows: window, columns: window }
  return choose(target, `conv ${channels}×${rows}×${columns} pool ${window}`, [...convTiles(target, shape), fallback])
}

/** All factors up to `most` that a loop of `count` turns may be unrolled by, each number of turns once. */
function factors(count: number, most: number): number[] {
  const found = new Set<number>()
  for (let factor = Math.min(count, most); factor >= 1; factor--)
    found.add(Math.ceil(count / Math.ceil(count / factor)))
  return [...found]
}

/** linear and its input gradient; `stride`: bytes from the weights of one result to those of the next. */
export function chooseLinear(target: Target, results: number, stride: number): LinearTile {
  const first = linearTile(target, results, stride)
  const others = [...new Set([first.blocks, 1])].flatMap((blocks) =>
    [...factors(results, Math.floor(target.accumulators / blocks)), 16, 12, 8, 6, 4]
      .filter((features) => features <= results && features * blocks <= target.accumulators)
      .map((features) => ({ features, blocks })),
  )
  return choose(target, `linear ${results} by ${stride}`, [first, ...others])
}

/** linear's weight gradient [outputs, inputs]. */
export function chooseLinearGrad(target: Target, outputs: number, inputs: number): LinearGradTile {
  const wide = Math.max(1, Math.floor(inputs / target.lanes))
  const others = [4, 2, 6, 3, 8, 1, 5]
    .filter((features) => features <= outputs)
    .flatMap((features) =>
      factors(wide, Math.max(1, Math.floor(target.accumulators / features)))
        .slice(0, 2)
        .map((vectors) => ({ features, vectors })),
    )
  return choose(target, `linearGradWeight ${outputs}×${inputs}`, [linearGradTile(target, outputs, inputs), ...others])
}

/** A conv's kernel as rows of vectors, for its sparse gradients. */
export interface RowShape {
  readonly kernelSize: readonly [number, number]
  readonly channels: number
  readonly pixelFloats: number
  readonly rowFloats: number
}

/** Weights of the input gradient in one pass: so many in registers, the others read for each entry, about `most` in all. */
export interface ScatterPlan {
  readonly registers: number
  readonly most: number
}

const rowsKey = (what: string, { kernelSize, channels }: RowShape): string =>
  `${what} ${channels}×${kernelSize.join('×')}`

const vectorsOf = (target: Target, { kernelSize, rowFloats }: RowShape): number =>
  (kernelSize[0] * rowFloats) / target.lanes

/** Vectors of sums of the weight gradient in one pass over a list of non-zeros, all in registers. */
export function chooseGradWeight(target: Target, shape: RowShape): number {
  const first = target.accumulators > 8 ? target.accumulators + 2 : 7
  const others = factors(vectorsOf(target, shape), target.accumulators + 4).filter((most) => 2 * most >= first)
  const choices = [first, ...others].map((most) => ({ most }))
  return choose(target, rowsKey('conv2dGradWeight', shape), choices).most
}

/** The input gradient's passes over a list of non-zeros. */
export function chooseGradInput(target: Target, shape: RowShape): ScatterPlan {
  const { accumulators } = target
  const first = accumulators > 8 ? { registers: accumulators, most: 36 } : { registers: 10, most: 144 }
  const all = vectorsOf(target, shape)
  const registers = [first.registers, first.registers + 4, Math.floor(first.registers / 2), 0]
  const others = [...new Set([all, Math.ceil(all / 2), Math.ceil(all / 4)])]
  const choices = others.flatMap((most) => registers.map((count) => ({ registers: count, most })))
  return choose(target, rowsKey('conv2dGradInput', shape), [first, ...choices])
}
