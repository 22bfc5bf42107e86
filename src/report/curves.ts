/** Accuracy and loss over the epochs of a training, as the article draws them. Not here: files. */
import { lineChart, type Series } from './chart.js'
import { lineColors, svgSheet, svgText } from './svg.js'

/** What is known after an epoch; accuracies are fractions. */
export interface CurvePoint {
  readonly epoch: number // from 1
  readonly loss: number
  readonly accuracy: number
  readonly valLoss?: number
  readonly valAccuracy?: number
}

type Key = Exclude<keyof CurvePoint, 'epoch'>

export const percentTick = (value: number): string => `${Number((100 * value).toFixed(1))} %`

const seriesOf = (points: readonly CurvePoint[], keys: readonly (readonly [Key, string])[]): Series[] =>
  keys.map(([key, name], i) => ({
    name,
    color: lineColors[i] ?? lineColors[0],
    points: points.map((point) => [point.epoch, point[key] ?? NaN] as const),
  }))

/** Two charts beside each other as an SVG of 960 × 380. */
export function trainingCurves(title: string, points: readonly CurvePoint[]): string {
  const place = { y: 52, width: 470, height: 320, xLabel: 'epoch' }
  const accuracies = seriesOf(points, [
    ['accuracy', 'training'],
    ['valAccuracy', 'test'],
  ])
  const lossSeries = seriesOf(points, [
    ['loss', 'training'],
    ['valLoss', 'test'],
  ])
  return svgSheet(960, 380, [
    svgText(16, 32, title, { size: 19, bold: true }),
    ...lineChart({ ...place, x: 8, title: 'Accuracy', series: accuracies, format: percentTick }),
    ...lineChart({ ...place, x: 484, title: 'Loss', series: lossSeries, format: String }),
  ])
}
