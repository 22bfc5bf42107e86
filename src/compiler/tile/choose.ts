/**
 * The cost model: which register tile a convolution or a matrix product gets on a target. A choice changes speed only,
 * never the order of a sum.
 * Measured: sums in registers and few loads for each multiply-add are all that matters on the machines tried; 8 sums are
 * enough to hide the latency of one multiply-add a cycle. Not here: the kernels.
 */
import { fitsRegisters, type Target } from './target.js'

/** Accumulators of a conv: output channels × output rows × output columns. */
export interface ConvTile {
  readonly channels: number
  readonly rows: number
  readonly columns: number
}

/** What a conv kernel computes: rows and columns that a pool of `window` × `window` needs; 1: no pool. */
export interface ConvShape {
  readonly channels: number
  readonly rows: number
  readonly columns: number
  readonly window: number
}

/** A load costs so much of a multiply-add, and a turn of the inner loop so much. */
const loadCost = 0.4
const turnCost = 1.5

/**
 * Multiply-adds of one tap over the whole result, with what it takes to feed them: in every piece that the tile cuts the
 * result into, one load for each of its channels and one for each of its positions.
 */
function costOf(shape: ConvShape, tile: ConvTile): number {
  const positions = shape.rows * shape.columns
  const cuts = Math.ceil(shape.rows / tile.rows) * Math.ceil(shape.columns / tile.columns)
  const slices = Math.ceil(shape.channels / tile.channels)
  const loads = shape.channels * cuts + positions * slices
  return shape.channels * positions + loadCost * loads + turnCost * cuts * slices
}

/** So many sums hide the latency of two multiply-adds a cycle with room to spare. */
const enoughSums = 12

/** With few registers sums may take all that operands leave: the channels' weights, and one vector of the picture. */
function isHeld(target: Target, channels: number, positions: number): boolean {
  const sums = channels * positions
  return sums <= target.accumulators || (sums <= enoughSums && fitsRegisters(target, sums, channels + 1))
}

/** All tiles that fit into the target's registers, best first. */
export function convTiles(target: Target, shape: ConvShape): ConvTile[] {
  const { window } = shape
  const tiles: { tile: ConvTile; cost: number }[] = []
  for (let rows = window; rows <= Math.min(shape.rows, 2 * window); rows += window)
    for (let columns = window; columns <= Math.min(shape.columns, 8); columns += window)
      for (let channels = 1; channels <= Math.min(shape.channels, 8); channels++) {
        const tile = { channels, rows, columns }
        if (isHeld(target, channels, rows * columns) || channels * rows * columns <= window * window)
          tiles.push({ tile, cost: costOf(shape, tile) })
      }
  return tiles.sort((a, b) => a.cost - b.cost).map(({ tile }) => tile)
}

export function convTile(target: Target, shape: ConvShape): ConvTile {
  return convTiles(target, shape)[0] ?? { channels: 1, rows: shape.window, columns: shape.window }
}

/** How Winograd's conv goes through its tiles of 2 × 2 results. */
export interface WinogradTile {
  /** Sums in registers: output channels × tiles. */
  readonly channels: number
  readonly tiles: number
  /** Rows and columns of tiles in a strip: what is transformed at a time. More than one row are whole ones. */
  readonly rows: number
  readonly columns: number
  /** Output channels whose products are kept before they become results. */
  readonly block: number
}

/** inputs, outputs: channels; rows, columns: of tiles. */
export interface WinogradShape {
  readonly inputs: number
  readonly outputs: number
  readonly rows: number
  readonly columns: number
}

/**
 * A strip has no fewer tiles, if there are. What is transformed at a time, and products of a block of channels, fit into
 * so many bytes.
 */
const [stripTiles, transformedBytes, productBytes] = [4, 256 * 1024, 48 * 1024]

/** Tiles of a row in a strip: the whole row, or equal parts of it where there are such. */
function stripColumns(target: Target, { inputs, columns }: WinogradShape): number {
  const most = Math.max(stripTiles, Math.floor(transformedBytes / (16 * inputs * target.lanes * 4)))
  if (columns <= most) return columns
  const least = Math.max(stripTiles, Math.ceil(most / 2))
  for (let part = most; part >= least; part--) if (columns % part === 0) return part
  return Math.ceil(columns / Math.ceil(columns / most))
}

export function winogradTile(target: Target, shape: WinogradShape): WinogradTile {
  const rows = Math.min(shape.rows, Math.ceil(stripTiles / shape.columns))
  const columns = stripColumns(target, shape)
  const count = rows * columns
  const best = convTile(target, { channels: shape.outputs, rows: 1, columns: count, window: 1 })
  const most = Math.floor(productBytes / (16 * count * target.lanes * 4 * best.channels))
  const block = Math.min(shape.outputs, Math.max(1, most) * best.channels)
  return { channels: best.channels, tiles: best.columns, rows, columns, block }
}

/** Tiles of a matrix product with the batch in lanes: results × blocks of pictures. */
export interface LinearTile {
  readonly features: number
  readonly blocks: number
}

/** Pictures in a unit of work: more would leave members of a team without any. */
const unitPictures = 8

/** Bytes after which addresses share a set of the nearest cache, and how many of them it holds. */
const [aliasBytes, ways] = [4096, 8]

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

/** Tiles that a team which shares pictures should find in a product, and in a gradient of its weights. */
const [partedTiles, partedGradTiles] = [8, 32]

/** How a product's weights lie, in bytes from one result to the next. 4: side by side. */
export function linearTile(target: Target, results: number, stride: number): LinearTile {
  const blocks = Math.max(1, unitPictures / target.lanes)
  const inCache = (ways * aliasBytes) / gcd(stride, aliasBytes)
  const held = Math.max(1, Math.min(Math.floor(target.accumulators / blocks), inCache))
  const most = target.isParted ? Math.min(held, Math.ceil(results / partedTiles)) : held
  // side by side: whole lines of 16 weights
  if (stride === 4 && most >= 16 && results >= 16) return { features: 16, blocks }
  const tiles = Math.ceil(results / most)
  return { features: Math.ceil(results / tiles), blocks }
}

/** Tiles of linear's weight gradient: output features × vectors of input features. */
export interface LinearGradTile {
  readonly features: number
  readonly vectors: number
}

export function linearGradTile(target: Target, outputs: number, inputs: number): LinearGradTile {
  const features = Math.min(outputs, target.accumulators >= 20 ? 4 : 2)
  const held = Math.max(1, Math.floor(target.accumulators / features))
  const vectors = Math.max(1, Math.floor(inputs / target.lanes))
  const few = Math.ceil((vectors * Math.ceil(outputs / features)) / partedGradTiles)
  const most = target.isParted ? Math.min(held, few) : held
  return { features, vectors: Math.ceil(vectors / Math.ceil(vectors / most)) }
}
