/**
 * Draws a result of the benchmark: bars of milliseconds a step, and lines of how cost grows, each as SVG and PNG beside
 * the JSON file. usage: node plot.mjs RESULT.json
 * Not here: measuring.
 */
import * as Plot from '@observablehq/plot'
import { Resvg } from '@resvg/resvg-js'
import { parseHTML } from 'linkedom'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const font = 'Inter'
const fontFiles = ['400Regular/Inter_400Regular', '600SemiBold/Inter_600SemiBold'].map((name) =>
  fileURLToPath(new URL(`./node_modules/@expo-google-fonts/inter/${name}.ttf`, import.meta.url)),
)
const colors = { ours: '#d1495b', torch: '#6b7a8f', other: '#c3cad4', ink: '#1f2933', muted: '#5b6673' }
const { document } = parseHTML('<!doctype html><html><body></body></html>').window

const netTitles = { lenet: 'LeNet', lenet1: 'LeNet1' }
const isOurs = ({ who }) => who.startsWith('lenet-')
const isTorch = ({ who }) => who.startsWith('torch-')
const nameOf = ({ who, threads }, versions) => {
  const kind = isOurs({ who })
    ? `lenet ${who.slice(6)}`
    : isTorch({ who })
      ? `PyTorch ${(versions.torch ?? '').split('+')[0]} ${who.slice(6)}`
      : ({ 'keras-fit': `Keras ${versions.keras ?? ''} fit`, 'tfjs-cpu': 'tfjs cpu', 'tfjs-wasm': 'tfjs wasm' }[who] ??
        who)
  return `${kind}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
}
const colorOf = (m) => (isOurs(m) ? colors.ours : isTorch(m) ? colors.torch : colors.other)
const milliseconds = (ms) =>
  `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : Math.round(ms).toLocaleString('en')} ms`
const machineLine = ({ processor, cores, node, compiler, date }) =>
  [`${processor}, ${cores} cores`, `Node ${node.slice(1)}`, compiler, date.slice(0, 10)].filter(Boolean).join(' · ')

const style = { fontFamily: font, fontSize: '13px', color: colors.ink, background: 'white' }

/** Round numbers within a domain: the factors times powers of ten. */
const ticksIn = ([low, high], factors) =>
  Array.from({ length: 13 }, (_, i) => 10 ** (i - 4))
    .flatMap((power) => factors.map((factor) => Number((factor * power).toPrecision(2))))
    .filter((tick) => tick >= low && tick <= high)

/** Horizontal bars from the left edge of a logarithmic scale, fastest on top. */
function stepPlot(measurements, versions, domain) {
  const rows = measurements
    .toSorted((a, b) => a.medianStepMs - b.medianStepMs)
    .map((m) => ({ ...m, name: nameOf(m, versions), color: colorOf(m), label: milliseconds(m.medianStepMs) }))
  return Plot.plot({
    document,
    style,
    width: 900,
    height: 24 * rows.length + 62,
    marginLeft: 264,
    marginRight: 80,
    marginTop: 8,
    marginBottom: 44,
    x: {
      type: 'log',
      domain,
      grid: true,
      ticks: ticksIn(domain, [1]),
      tickFormat: (ms) => ms.toLocaleString('en'),
      label: 'milliseconds a step, logarithmic (shorter is faster)',
      labelAnchor: 'center',
      labelArrow: 'none',
    },
    y: { domain: rows.map(({ name }) => name), label: null, tickSize: 0 },
    marks: [
      Plot.barX(rows, { x1: domain[0], x2: 'medianStepMs', y: 'name', fill: 'color', insetTop: 3, insetBottom: 3 }),
      Plot.text(rows, { x: 'medianStepMs', y: 'name', text: 'label', textAnchor: 'start', dx: 6, fill: colors.ink }),
    ],
  })
}

/** One panel: a line for us and one for PyTorch, both axes logarithmic. */
function growthPlot({ rows, x, xLabel, y, yLabel, ticks }) {
  const data = rows.map((m) => ({ x: m[x], y: m[y], who: isOurs(m) ? 'lenet' : 'PyTorch', color: colorOf(m) }))
  const values = data.map((d) => d.y)
  const domain = [Math.min(...values) / 1.15, Math.max(...values) * 1.15]
  const last = (who) => data.findLast((d) => d.who === who)
  const [own, other] = [last('lenet')?.y ?? 0, last('PyTorch')?.y ?? 0]
  const close = Math.max(own / other, other / own) < 1.25
  const shift = (who) => (close ? ((who === 'lenet') === own >= other ? -8 : 8) : 0)
  return Plot.plot({
    document,
    style,
    width: 440,
    height: 280,
    marginLeft: 66,
    marginRight: 70,
    marginTop: 26,
    marginBottom: 44,
    x: {
      type: 'log',
      base: 2,
      ticks,
      tickFormat: (v) => (x === 'width' ? `×${v}` : `${v}`),
      label: xLabel,
      labelAnchor: 'center',
      labelArrow: 'none',
    },
    y: {
      type: 'log',
      domain,
      grid: true,
      ticks: ticksIn(domain, [1, 2, 5]),
      tickFormat: (v) => v.toLocaleString('en'),
      label: yLabel,
      labelArrow: 'none',
      labelOffset: 54,
    },
    marks: [
      Plot.line(data, { x: 'x', y: 'y', z: 'who', stroke: 'color', strokeWidth: 2.5 }),
      Plot.dot(data, { x: 'x', y: 'y', fill: 'color', r: 3.5 }),
      ...['lenet', 'PyTorch'].filter(last).map((who) =>
        Plot.text([last(who)], {
          x: 'x',
          y: 'y',
          text: 'who',
          fill: 'color',
          textAnchor: 'start',
          dx: 8,
          dy: shift(who),
          fontWeight: 600,
        }),
      ),
    ],
  })
}

const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c])
const textAt = (x, y, size, text, extra = '') =>
  `<text x="${x}" y="${y}" font-family="${font}" font-size="${size}" ${extra}>${escaped(text)}</text>`

/** Panels with their titles in one picture. Panels: { title, svg, x, y }. */
function sheet(width, height, title, subtitle, panels) {
  const parts = panels.map(({ title: name, svg, x, y }) => {
    svg.setAttribute('x', String(x))
    svg.setAttribute('y', String(y + 12))
    return textAt(x + 12, y, 16, name, `font-weight="600" fill="${colors.ink}"`) + svg.outerHTML
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="${width}" height="${height}" fill="white"/>
${textAt(24, 38, 21, title, `font-weight="600" fill="${colors.ink}"`)}
${textAt(24, 62, 13, subtitle, `fill="${colors.muted}"`)}
${parts.join('\n')}
</svg>\n`
}

function stepSheet({ machine, measurements }) {
  const all = measurements.train
  const values = all.map((m) => m.medianStepMs)
  const domain = [Math.min(...values) / 1.6, Math.max(...values) * 1.4]
  let y = 100
  const panels = Object.keys(netTitles).flatMap((net) => {
    const rows = all.filter((m) => m.net === net)
    if (rows.length === 0) return []
    const panel = { title: netTitles[net], svg: stepPlot(rows, machine.versions, domain), x: 12, y }
    y += 24 * rows.length + 62 + 46
    return [panel]
  })
  return sheet(924, y - 20, 'One training step: batch 32, Adam, float32', machineLine(machine), panels)
}

function growthPanels({ batch, width, threads }) {
  const of = (rows, net) => rows.filter((m) => m.net === net)
  const nets = Object.keys(netTitles)
  const perSecond = { y: 'imagesPerSecond', yLabel: 'pictures a second' }
  return [
    ...nets.map((net) => ({
      title: `${netTitles[net]}: size of the batch`,
      rows: of(batch, net),
      x: 'batch',
      xLabel: 'pictures in a batch',
      ...perSecond,
    })),
    ...nets.map((net) => ({
      title: `${netTitles[net]}: threads`,
      rows: of(threads, net),
      x: 'threads',
      xLabel: 'threads',
      ...perSecond,
    })),
    {
      title: 'LeNet1: width of the net',
      rows: of(width, 'lenet1'),
      x: 'width',
      xLabel: 'channels, times LeNet1’s',
      y: 'medianStepMs',
      yLabel: 'milliseconds a step',
    },
  ].filter(({ rows }) => rows.length > 0)
}

function growthSheet({ machine, measurements }) {
  const found = growthPanels(measurements)
  const panels = found.map((panel, i) => {
    const ticks = [...new Set(panel.rows.map((m) => m[panel.x]))]
    return {
      title: panel.title,
      svg: growthPlot({ ...panel, ticks }),
      x: 12 + 450 * (i % 2),
      y: 104 + 336 * Math.floor(i / 2),
    }
  })
  const height = 100 + 336 * Math.ceil(found.length / 2)
  return found.length > 0
    ? sheet(924, height, 'How the cost of training grows: lenet and PyTorch’s best mode', machineLine(machine), panels)
    : null
}

function save(path, content) {
  writeFileSync(`${path}.part`, content)
  renameSync(`${path}.part`, path)
}

function write(path, svg) {
  save(`${path}.svg`, svg)
  const options = {
    font: { fontFiles, loadSystemFonts: false, defaultFontFamily: font },
    fitTo: { mode: 'zoom', value: 2 },
  }
  save(`${path}.png`, new Resvg(svg, options).render().asPng())
}

const file = process.argv[2]
const result = JSON.parse(readFileSync(file, 'utf8'))
const base = file.replace(/\.json$/, '')
if (result.measurements.train.length > 0) write(`${base}-step`, stepSheet(result))
const growth = growthSheet(result)
if (growth) write(`${base}-growth`, growth)
