/**
 * crossEntropy and its gradient, one pass each: logits [N, C] lanes, labels [N] i32; and the check of such labels.
 * loss = log Σ_c e^(x_c − m) + m − x_label with m the largest logit; gradient = (softmax − onehot) · g.
 * Not here: means over pictures (graph/compose.ts).
 */
import type { OpAttrs } from '../../graph/index.js'
import { add, alu, batchSize, float, int, loadInt, loadVec, mul, splat, sub } from '../loop/build.js'
import type { Expr } from '../loop/ir.js'
import { KernelBuilder, one, restOf, type ScheduledKernel, type Value } from '../kernel.js'
import { emitExp, emitLog } from './polynomials.js'

interface Row {
  readonly logits: Expr
  readonly label: Expr
  readonly largest: Expr
  readonly sum: Expr
}

function forClasses(b: KernelBuilder, classes: number, body: (c: Expr, place: Expr) => void): void {
  b.for('c', 0, classes, 1, (c) => body(c, mul(c, b.width)))
}

/** The largest logit and the sum of exponentials of one block; e^(x−m) may be kept at `keep`. */
function softmaxRow(b: KernelBuilder, logits: Value, labels: Value, block: Expr, keep: Expr | null): Row {
  const classes = restOf(logits)
  const from = b.pointer('logits', b.buffer(logits, 'read'), block, classes * b.width)
  const label = b.let('label', loadVec(b.pointer('labels', b.buffer(labels, 'read'), block, b.width), 0, 'i32v'))
  const largest = b.let('largest', loadVec(from))
  forClasses(b, classes, (_, place) => {
    const x = b.let('x', loadVec(add(from, place)))
    b.set(largest.v, alu('fselect', alu('ior', alu('flt', largest, x), alu('fne', x, x)), x, largest))
  })
  const sum = b.let('sum', float(0))
  forClasses(b, classes, (_, place) => {
    const e = b.let('e', emitExp(b, b.let('d', alu('fsub', loadVec(add(from, place)), largest))))
    if (keep) b.store('vec', add(keep, place), 0, e)
    b.set(sum.v, alu('fadd', sum, e))
  })
  return { logits: from, label, largest, sum }
}

export function lowerCrossEntropy(lanes: number, logits: Value, labels: Value, out: Value): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  b.forUnits((block) => {
    const row = softmaxRow(b, logits, labels, block, null)
    const picked = b.let('picked', float(0))
    forClasses(b, restOf(logits), (c, place) => {
      const mask = alu('ieq', row.label, splat(c))
      b.set(picked.v, alu('fselect', mask, loadVec(add(row.logits, place)), picked))
    })
    const loss = alu('fsub', emitLog(b, row.sum), alu('fsub', picked, row.largest))
    b.store('vec', b.pointer('out', b.buffer(out, 'write'), block, b.width), 0, loss)
  })
  return b.finish('crossEntropy', { pictures: lanes })
}

export function lowerCrossEntropyGrad(
  lanes: number,
  logits: Value,
  labels: Value,
  g: Value,
  out: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const classes = restOf(logits)
  b.forUnits((block) => {
    const to = b.pointer('out', b.buffer(out, 'both'), block, classes * b.width)
    const row = softmaxRow(b, logits, labels, block, to)
    const grad = b.let('g', loadVec(b.pointer('gAt', b.buffer(g, 'read'), block, b.width)))
    const scale = b.let('scale', alu('fdiv', float(1), row.sum))
    forClasses(b, classes, (c, place) => {
      const at = b.let('at', add(to, place))
      const onehot = alu('fselect', alu('ieq', row.label, splat(c)), float(1), float(0))
      b.store('vec', at, 0, alu('fmul', alu('fsub', alu('fmul', loadVec(at), scale), onehot), grad))
    })
  })
  return b.finish('crossEntropyGrad', { pictures: lanes })
}

/** Writes 1, the label and its picture where a label [N] is out of bounds: of the first such picture. */
export function lowerCheckLabels(
  lanes: number,
  { classes, ignored }: OpAttrs['checkLabels'],
  labels: Value,
  flag: Value,
): ScheduledKernel {
  const b = new KernelBuilder(lanes)
  const [from, to] = [b.buffer(labels, 'read'), b.buffer(flag, 'write')]
  b.forUnits(() =>
    b.for('left', 1, add(batchSize, 1), 1, (left) => {
      const picture = b.let('picture', sub(batchSize, left))
      const label = b.let('label', loadInt(add(from, mul(picture, 4))))
      const outside = alu('ior', alu('ilt', label, int(0)), alu('ilt', int(classes - 1), label))
      const isIgnored = ignored.map((value) => alu('ieq', label, int(value)))
      const wrong = isIgnored.reduce((mask, known) => alu('iand', mask, alu('ixor', known, int(-1))), outside)
      b.if(wrong, () => [int(1), label, picture].forEach((value, i) => b.store('i32', to, 4 * i, value)))
    }),
  )
  return b.finish('checkLabels', one)
}
