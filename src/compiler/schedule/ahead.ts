/**
 * What computing a node surely asks for: known beforehand, so that a deep graph can be scheduled from below, without calls
 * as deep as the graph. To list too little costs calls; to list what would be fused away costs a kernel, so that is left out.
 * Not here: how anything is computed (scheduler.ts, compute.ts).
 */
import { isElementwise, type Node } from '../../graph/index.js'
import { reducedDims } from '../lower/reduce.js'
import { inputOf } from './ledger.js'
import type { Scheduler } from './scheduler.js'

export function surelyNeeded(s: Scheduler, node: Node): readonly Node[] {
  if (isElementwise(node)) return expressionNeeds(s, node)
  switch (node.op) {
    case 'concat': // its parts are computed where they belong, not before
      return node.layout === 'batch' ? node.inputs : node.inputs.flatMap((part) => partNeeds(s, part))
    case 'maxPool2d':
    case 'maxPoolIndex':
      return poolNeeds(inputOf(node, 0))
    case 'conv2dGradWeight':
    case 'conv2dGradInput':
      return listNeeds(node)
    case 'sum':
    case 'amax':
    case 'argmax':
      return reduceNeeds(s, node)
    default:
      return node.inputs
  }
}

/** What the expression reads, and what the operations read that it may be fused to. */
function expressionNeeds(s: Scheduler, end: Node): Node[] {
  const inside = s.expression(end)
  const found = new Set<Node>()
  for (const node of inside) {
    const needed = node.op === 'conv2dGradInput' ? listNeeds(node) : node.inputs
    for (const input of needed) if (!inside.has(input)) found.add(input)
  }
  return [...found]
}

function partNeeds(s: Scheduler, part: Node): readonly Node[] {
  let node = part
  while (node.op === 'reshape' && !s.has(node)) node = inputOf(node, 0)
  return s.has(node) || node.op === 'concat' ? [] : surelyNeeded(s, node)
}

/** A convolution in front of a pool may be one kernel with it. */
function poolNeeds(top: Node): readonly Node[] {
  const conv = top.op === 'relu' ? inputOf(top, 0) : top
  return conv.op === 'conv2d' ? conv.inputs : [top]
}

/** The gradient behind a max-pool may be listed without being made. */
function listNeeds(node: Node): readonly Node[] {
  const [g, other] = [inputOf(node, 0), inputOf(node, 1)]
  return g.op === 'maxPool2dGrad' ? [...g.inputs, other] : [g, other]
}

function reduceNeeds(s: Scheduler, node: Node): readonly Node[] {
  const source = inputOf(node, 0)
  const whole = source.layout === 'batch' && reducedDims(node as Node<'sum'>).includes(0)
  return !whole && isElementwise(source) && s.isPrivate(source) ? expressionNeeds(s, source) : [source]
}
