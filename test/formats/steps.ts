/**
 * Counts what our code does, so that tests can bound work without a clock: how often its blocks (functions, loop bodies,
 * branches) are entered, as V8 counts them for coverage. Import it before the code that it is to count: only functions
 * that are compiled later are counted by block. Not counted: what Node's own functions and WebAssembly do.
 */
import { Session, type Profiler } from 'node:inspector'

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })

const ours = new URL('../../src/', import.meta.url).href

/** How often blocks were entered since it was asked last. */
function entered(): number {
  let scripts: readonly Profiler.ScriptCoverage[] | undefined
  session.post('Profiler.takePreciseCoverage', (error, found) => {
    if (error) throw error
    scripts = found.result
  })
  if (scripts === undefined) throw new Error('V8 gave no counts')
  const ranges = scripts.filter(({ url }) => url.startsWith(ours)).flatMap(({ functions }) => functions)
  return ranges.flatMap((each) => each.ranges).reduce((sum, { count }) => sum + count, 0)
}

/** Called when the work begins; what it gives is called when it is done, and tells how many steps that took. */
export function countSteps(): () => number {
  entered()
  return entered
}
