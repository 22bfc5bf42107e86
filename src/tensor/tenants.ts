/**
 * Who has memory of the device and can do without it for a while: leaves, whose values move into arrays of JavaScript's, and
 * plans, whose results are saved as far as somebody may still read them. Whoever was not used for the longest time goes first:
 * when more is held than was needed lately, and when nothing is free.
 * Not here: the garbage collector. It calls nobody in a loop that never yields; arrays it frees there too.
 */

export interface Tenant {
  /** What is given back when it leaves. */
  readonly bytes: number
  readonly kind: 'tensors' | 'plans' | 'arena'
  /** The turn in which it was used last: see `turn`. */
  lastUse: number
  /** Gives its memory back. What it needs of it, it has saved. */
  leave(): void
}

/** Counts runs of plans. What a run has used cannot leave before it is over. */
let turn = 0
let isRunning = false

/** What leaves hold and plans keep may grow so far before anybody must leave; more where those who left came back. */
let mark = 128 * 2 ** 20

const tenants = new Set<Tenant>()
const held = { tensors: 0, plans: 0, arena: 0 }

export const now = (): number => turn

/** Bytes by kind of tenant. */
export const heldBytes = (): Readonly<typeof held> => held

/** From here to `endRun` nobody leaves who is used. */
export function beginRun(): void {
  turn++
  isRunning = true
}

export function endRun(): void {
  isRunning = false
}

/** To be called before a tenant takes its memory. `isBack`: it had left, which was too early. */
export function expect({ bytes }: Tenant, isBack: boolean): void {
  if (isBack) mark += bytes
  if (held.tensors + held.plans + bytes > mark) makeRoom(mark / 2 - bytes)
}

/** The tenant has its memory. */
export function moveIn(tenant: Tenant): void {
  tenant.lastUse = turn
  tenants.add(tenant)
  held[tenant.kind] += tenant.bytes
}

/** The tenant has no memory any more. */
export function moveOut(tenant: Tenant): void {
  if (tenants.delete(tenant)) held[tenant.kind] -= tenant.bytes
}

const canLeave = ({ lastUse }: Tenant): boolean => !isRunning || lastUse !== turn

function evict(tenant: Tenant): void {
  moveOut(tenant)
  tenant.leave()
}

/** Those not used for the longest time leave until no more than `most` bytes are held. */
function makeRoom(most: number): void {
  const leaving = [...tenants].filter((tenant) => tenant.kind !== 'arena' && canLeave(tenant))
  leaving.sort((a, b) => a.lastUse - b.lastUse)
  for (const tenant of leaving) {
    if (held.tensors + held.plans <= most) return
    evict(tenant)
  }
}

/** The one not used for the longest time leaves. False where nobody can. */
export function relieve(): boolean {
  let oldest: Tenant | null = null
  for (const tenant of tenants) if (canLeave(tenant) && (!oldest || tenant.lastUse < oldest.lastUse)) oldest = tenant
  if (oldest) evict(oldest)
  return oldest !== null
}
