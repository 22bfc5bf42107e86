/**
 * A net's structure as a picture, as LeCun et al. drew LeNet-5: stacks of feature maps, then dense layers, with what leads
 * from one to the next. Not here: where the stages come from (cli).
 */
import { at, ink, pointsOf, svgLine, svgSheet, svgText, svgTextWidth } from './svg.js'

/** What the net holds at a place. */
export interface NetStage {
  /** 'conv1'; what it is called. */
  readonly name: string
  /** [channels, height, width], or [features]. */
  readonly shape: readonly number[]
  /** How it came from the stage before, a line each: '5×5 convolution', 'ReLU'. */
  readonly by: readonly string[]
  /** The window that slides over the stage before, where there is one: [height, width]. */
  readonly window?: readonly [number, number]
  readonly parameters: number
}

const colors = { plane: '#f4f7fa', planeEdge: '#52616f', front: '#dbe7f1', link: '#d1495b', fan: '#eef1f4' } as const
/** Pixels: between planes, the longest side of a plane, the top of the labels. */
const [shift, largest, labelTop] = [5, 120, 78] as const

/** A stage and its place: `left`…`right` of the whole, and the front plane (or bar). */
interface Placed {
  readonly stage: NetStage
  readonly left: number
  readonly right: number
  readonly front: { readonly x: number; readonly y: number; readonly width: number; readonly height: number }
}

const isPicture = ({ shape }: NetStage): boolean => shape.length === 3

/** Of many channels only some are drawn; more for more. */
const planesOf = ([channels = 1]: readonly number[]): number =>
  channels <= 8 ? channels : Math.min(14, Math.round(6 + 1.5 * Math.log2(channels / 8)))

const shapeText = ({ shape }: NetStage): string => {
  const [first = 0, ...sides] = shape
  return sides.length > 0 ? `${first} @ ${sides.join('×')}` : String(first)
}

const countText = ({ parameters }: NetStage): string =>
  parameters > 0 ? `${parameters.toLocaleString('en')} weights` : ''

/** How far the planes of a stack are shifted in all. */
const depthOf = (stage: NetStage): number => (isPicture(stage) ? (planesOf(stage.shape) - 1) * shift : 0)

interface Scale {
  /** The greatest side of a picture, the greatest number of features. */
  readonly side: number
  readonly features: number
}

function sizeOf(stage: NetStage, { side, features }: Scale): { width: number; height: number } {
  if (!isPicture(stage)) return { width: 14, height: 26 + 130 * Math.sqrt((stage.shape[0] ?? 1) / features) }
  const scaled = (pixels = 1): number => Math.max(9, (largest * pixels) / side)
  return { width: scaled(stage.shape[2]), height: scaled(stage.shape[1]) }
}

const labelWidth = (stage: NetStage): number =>
  Math.max(svgTextWidth(stage.name, 13), svgTextWidth(shapeText(stage), 13), svgTextWidth(countText(stage), 11))

/** Stages from the left to the right, so far apart that no texts meet. */
function place(stages: readonly NetStage[], scale: Scale, middle: number): Placed[] {
  let center = 0
  let before = 0 // half of the width of the stage before
  let labelBefore = 0
  return stages.map((stage, i) => {
    const { width, height } = sizeOf(stage, scale)
    const depth = depthOf(stage)
    const half = (width + depth) / 2
    const label = labelWidth(stage) / 2
    const caption = Math.max(0, ...stage.by.map((line) => svgTextWidth(line, 12)))
    const apart = Math.max(before + half + 34, labelBefore + label + 14, caption + 12)
    center = i === 0 ? 24 + Math.max(half, label) : center + apart
    before = half
    labelBefore = label
    const front = { x: center - half + depth, y: middle - (height + depth) / 2 + depth, width, height }
    return { stage, left: center - half, right: center + half, front }
  })
}

const rect = ({ x, y, width, height }: Placed['front'], fill: string, stroke: string): string =>
  `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" fill="${fill}" stroke="${stroke}"/>`

function drawn({ stage, front }: Placed): string[] {
  if (!isPicture(stage)) return [rect(front, colors.front, colors.planeEdge)]
  const planes = planesOf(stage.shape)
  return Array.from({ length: planes }, (_, i) => {
    const back = (planes - 1 - i) * shift
    return rect(
      { ...front, x: front.x - back, y: front.y - back },
      back === 0 ? colors.front : colors.plane,
      colors.planeEdge,
    )
  })
}

/** From a window of the plane to one point of the next; from a whole layer to a whole layer. */
function link(from: Placed, to: Placed): { below: string[]; above: string[] } {
  const { window } = to.stage
  const [a, b] = [from.front, to.front]
  if (!window || !isPicture(from.stage) || !isPicture(to.stage)) {
    const corners = [
      [a.x + a.width, a.y],
      [b.x, b.y],
      [b.x, b.y + b.height],
      [a.x + a.width, a.y + a.height],
    ] as const
    return { below: [`<polygon points="${pointsOf(corners)}" fill="${colors.fan}"/>`], above: [] }
  }
  const [, height = 1, width = 1] = from.stage.shape
  const size = {
    width: Math.max(4, Math.min(a.width, (window[1] * a.width) / width)),
    height: Math.max(4, Math.min(a.height, (window[0] * a.height) / height)),
  }
  const box = { ...size, x: a.x + (a.width - size.width) * 0.8, y: a.y + (a.height - size.height) * 0.7 }
  const point = [b.x + b.width * 0.3, b.y + b.height * 0.5] as const
  const line = (y: number): string => svgLine([box.x + box.width, y], point, colors.link, 1)
  const dot = `<circle cx="${at(point[0])}" cy="${at(point[1])}" r="2" fill="${colors.link}"/>`
  return { below: [], above: [rect(box, 'none', colors.link), line(box.y), line(box.y + box.height), dot] }
}

const centerOf = ({ left, right }: Placed): number => (left + right) / 2

function labels(placed: Placed, before: Placed | undefined, bottom: number): string[] {
  const { stage } = placed
  const x = centerOf(placed)
  const captionAt = before ? (centerOf(before) + x) / 2 : x
  return [
    svgText(x, labelTop, stage.name, { bold: true, anchor: 'middle' }),
    svgText(x, labelTop + 17, shapeText(stage), { anchor: 'middle' }),
    svgText(x, labelTop + 33, countText(stage), { size: 11, color: ink.muted, anchor: 'middle' }),
    ...stage.by.map((line, i) =>
      svgText(captionAt, bottom + 20 + 16 * i, line, { size: 12, color: ink.muted, anchor: 'middle' }),
    ),
  ]
}

/** The picture as an SVG, as wide as the net is long. `stages` begin with the input. */
export function structurePicture(title: string, stages: readonly NetStage[]): string {
  const most = (values: readonly number[]): number => Math.max(1, ...values)
  const side = most(stages.filter(isPicture).flatMap(({ shape }) => shape.slice(1)))
  const features = most(stages.filter((stage) => !isPicture(stage)).map(({ shape }) => shape[0] ?? 1))
  const scale = { side, features }
  const tallest = most(stages.map((stage) => sizeOf(stage, scale).height + depthOf(stage)))
  const [middle, bottom] = [labelTop + 44 + tallest / 2, labelTop + 44 + tallest]
  const all = place(stages, scale, middle)
  const links = all.slice(1).map((to, i) => link(all[i] ?? to, to))
  const last = all.at(-1)
  const end = last ? Math.max(last.right, centerOf(last) + labelWidth(last.stage) / 2) + 24 : 100
  const width = Math.max(end, svgTextWidth(title, 19) + 48)
  const lines = Math.max(1, ...stages.map(({ by }) => by.length))
  return svgSheet(width, bottom + 26 + 16 * lines, [
    svgText(24, 34, title, { size: 19, bold: true }),
    ...links.flatMap(({ below }) => below),
    ...all.flatMap(drawn),
    ...links.flatMap(({ above }) => above),
    ...all.flatMap((placed, i) => labels(placed, all[i - 1], bottom)),
  ])
}
