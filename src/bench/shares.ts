/**
 * How evenly a training step's kernels can be shared by so many threads: from its plan, which is made and not run.
 * Not here: how a team shares (compiler/loop/team.ts), tables (tables.ts).
 */
import {
  forTeam,
  granuleOf,
  lanesFor,
  nativeTarget,
  placeOf,
  rankShare,
  shareOf,
  squadsOf,
  unitCount,
  unitsIn,
  workOf,
  type LoopKernel,
  type Program,
} from '../compiler/index.js'
import { nn, optim } from '../nn/index.js'
import { manualSeed, planOnly } from '../tensor/index.js'
import { builtNet } from './builtNet.js'
import { layersOf, usualInput, type NetName } from './nets.js'
import { noise } from './pictures.js'

/** Kernels of one name in a net's step: how much more than the mean the busiest of the threads has to do. */
export interface ShareFigure {
  readonly event: 'share'
  readonly net: string
  readonly threads: number
  readonly kernel: string
  readonly count: number
  /** The largest share against the mean: 1 is even; of the worst of them. */
  readonly largest: number
  /** Of the step's floating-point operations, counted densely. */
  readonly part: number
}

/** The whole step. */
export interface PlanFigure {
  readonly event: 'plan'
  readonly net: string
  readonly threads: number
  readonly batch: number
  readonly kernels: number
  readonly barriers: number
  /** Weighted by floating-point operations. */
  readonly largest: number
}

/** A processor with AVX-512: the most lanes, for which a batch has the fewest blocks. */
const most = { lanes: 16, registers: 32 } as const

function programOf(net: NetName, threads: number): { program: Program; batch: number } {
  manualSeed(1)
  const { side, batch } = usualInput(net)
  const lanes = lanesFor(most.lanes, batch, threads)
  const target = forTeam(nativeTarget(lanes, most.registers, most.lanes), batch, threads)
  const model = builtNet(layersOf(net))
  const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 })
  const [inputs, labels] = noise(batch, side)
  const plan = planOnly(target, () => {
    new nn.CrossEntropyLoss()(model(inputs), labels).backward()
    optimizer.step()
  })
  if (!plan) throw new Error(`a step of ${net} has no plan`)
  return { program: plan.program, batch }
}

/** How a batch of n is shared. */
interface Team {
  readonly n: number
  readonly granule: number
  readonly threads: number
  readonly squads: number
}

/** What each member does of a kernel: members of a squad do parts of a granule, then of the next. */
function workOfMembers({ units }: LoopKernel, { n, granule, threads, squads }: Team): number[] {
  return Array.from({ length: threads }, (_, tid) => {
    if ('count' in units) return workOf(units, shareOf(units.count, tid, threads))
    const place = placeOf(tid, threads, squads)
    const [first, last] = shareOf(Math.ceil(n / granule), place.squad, squads)
    const each = Array.from({ length: last - first }, (_, i) => unitsIn(units, n, first + i, granule))
    return each.reduce((sum, some) => sum + workOf(units, rankShare(some, place)), 0)
  })
}

function largestShare(kernel: LoopKernel, team: Team): number {
  const mean = workOf(kernel.units, [0, unitCount(kernel.units, team.n)]) / team.threads
  return mean === 0 ? 1 : Math.max(...workOfMembers(kernel, team)) / mean
}

/** The figures of a net's step on so many threads of a processor with vectors of 16. */
export function sharesOf(net: NetName, threads: number): (ShareFigure | PlanFigure)[] {
  const { program, batch } = programOf(net, threads)
  const { kernels, barriers } = program
  const team = { n: batch, granule: granuleOf(kernels), threads, squads: squadsOf(kernels, batch, threads) }
  const all = kernels.reduce((sum, { flops }) => sum + flops(batch), 0)
  const names = [...new Set(kernels.map(({ name }) => name))]
  const weighted = kernels.reduce((sum, k) => sum + k.flops(batch) * largestShare(k, team), 0)
  const shares = names.map((kernel): ShareFigure => {
    const same = kernels.filter(({ name }) => name === kernel)
    const largest = Math.max(...same.map((k) => largestShare(k, team)))
    const part = same.reduce((sum, { flops }) => sum + flops(batch), 0) / all
    return { event: 'share', net, threads, kernel, count: same.length, largest, part }
  })
  const largest = weighted / all
  const count = barriers.filter(Boolean).length
  return [...shares, { event: 'plan', net, threads, batch, kernels: kernels.length, barriers: count, largest }]
}
