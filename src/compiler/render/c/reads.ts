/** How often each local is read in a kernel's text. Not here: how often it is read when the kernel runs. */
import type { Expr, Stmt } from '../../loop/ir.js'

export type Reads = ReadonlyMap<number, number>

export function countReads(body: readonly Stmt[]): Reads {
  const reads = new Map<number, number>()
  const visit = (e: Expr): void => {
    if (e.k === 'var') reads.set(e.v.id, (reads.get(e.v.id) ?? 0) + 1)
    else for (const part of partsOf(e)) visit(part)
  }
  const visitAll = (statements: readonly Stmt[]): void => {
    for (const s of statements) {
      for (const e of valuesOf(s)) visit(e)
      for (const nested of bodiesOf(s)) visitAll(nested)
    }
  }
  visitAll(body)
  return reads
}

function partsOf(e: Expr): readonly Expr[] {
  if (e.k === 'alu') return e.args
  if (e.k === 'load') return [e.at]
  return e.k === 'splat' ? [e.value] : []
}

function valuesOf(s: Stmt): readonly Expr[] {
  switch (s.k) {
    case 'set':
      return [s.value]
    case 'store':
      return [s.at, s.value]
    case 'loop':
      return [s.count]
    case 'for':
      return [s.from, s.to]
    case 'if':
      return [s.cond]
    case 'transpose':
      return s.from
    case 'bytes4':
      return s.at
  }
}

function bodiesOf(s: Stmt): readonly (readonly Stmt[])[] {
  if (s.k === 'if') return [s.body, s.otherwise]
  return s.k === 'loop' || s.k === 'for' ? [s.body] : []
}
