/**
 * How the dense weight gradient of conv2d is cut: into units of work, register tiles, and parts of pictures whose gradients
 * stay in near caches. A cut changes speed and memory, never the order of a sum.
 * Not here: the kernel (convGradWeight.ts), how large a register tile is (tile/gradWeight.ts).
 */
import type { Value } from '../kernel.js'
import { gradWeightTile, type GradWeightTile } from '../tile/gradWeight.js'
import type { Registers, Target } from '../tile/target.js'

type Pair = readonly [number, number]

/** Bytes of the output's gradient that are read again and again for all input channels. */
const nearBytes = 16 * 1024
/** From so many positions on, all weights of a unit pass over a part of a picture before the next part is read. */
const manyPositions = 64

/** More would not be shared more evenly. */
const mostUnits = 256

export type Machine = Registers & Pick<Target, 'lanes'>

export interface ConvGradJob {
  readonly g: Value
  readonly x: Value
  readonly out: Value
  readonly stride: Pair
  readonly padding: Pair
}

export interface Geometry {
  readonly O: number
  readonly C: number
  readonly kernel: Pair
  readonly size: Pair // H, W
  readonly out: Pair // OH, OW
  readonly stride: Pair
  readonly padding: Pair
}

export function geometryOf({ g, x, out, stride, padding }: ConvGradJob): Geometry {
  const [O = 1, C = 1, kH = 1, kW = 1] = out.shape
  const [, , H = 1, W = 1] = x.shape
  const [, , OH = 1, OW = 1] = g.shape
  const sizes = { O, C, kernel: [kH, kW], stride, padding } as const
  const isProduct = kH * kW * stride[0] * stride[1] === 1 && padding[0] + padding[1] === 0
  // pixels as one row
  if (isProduct && OH * OW < manyPositions) return { ...sizes, size: [1, H * W], out: [1, OH * OW] }
  return { ...sizes, size: [H, W], out: [OH, OW] }
}

/** Positions along an axis at which a tap sees the picture: from … to − 1. */
export function seen(g: Geometry, axis: 0 | 1, tap: number): readonly [from: number, to: number] {
  const from = Math.max(0, Math.ceil((g.padding[axis] - tap) / g.stride[axis]))
  const to = Math.floor((g.size[axis] - 1 + g.padding[axis] - tap) / g.stride[axis]) + 1
  return [from, Math.max(from, Math.min(g.out[axis], to))]
}

/** How the work is cut, and the memory that it takes, in floats. */
export interface Cut {
  readonly tile: GradWeightTile
  /** Of input channels; the last begins earlier where they do not fill it. */
  readonly inputTiles: number
  /** Output tiles, of which the last may have fewer channels, × input tiles × kernel rows. */
  readonly tiles: number
  /** Tiles of a unit; the last may have fewer. */
  readonly perUnit: number
  readonly units: number
  /** Pieces of a kernel row. */
  readonly pieces: readonly (readonly [first: number, count: number])[]
  /** Rows that are passed over at a time; null: whole pictures, sums staying in registers from one to the next. */
  readonly rows: number | null
}

export function cutOf(g: Geometry, target: Machine): Cut {
  const [kH, kW] = g.kernel
  const tile = gradWeightTile(target, { outputs: g.O, inputs: g.C, taps: kW })
  const pieces: [number, number][] = []
  for (let first = 0; first < kW; first += tile.taps) pieces.push([first, Math.min(tile.taps, kW - first)])
  const inputTiles = Math.ceil(g.C / tile.inputs)
  const positions = g.out[0] * g.out[1]
  const rowBytes = tile.outputs * g.out[1] * target.lanes * 4
  const rows = positions < manyPositions ? null : Math.max(1, Math.min(g.out[0], Math.floor(nearBytes / rowBytes)))
  const count = Math.ceil(g.O / tile.outputs) * inputTiles * kH
  const perUnit = Math.ceil(count / mostUnits)
  return { tile, inputTiles, tiles: count, perUnit, units: Math.ceil(count / perUnit), pieces, rows }
}

export const slotsOf = ({ tile }: Cut, lanes: number): number =>
  Math.ceil((tile.outputs * tile.inputs * tile.taps) / lanes) * lanes
