/**
 * Whether runs of a program are the team's or one thread's alone. Where another program takes a core away, a team waits at
 * its barriers for the member that has lost it, and short steps take longer than one thread alone would. Time tells: where
 * the team is slow, measured by its own best, one thread runs alone for a moment, and the faster way is kept for a while.
 * Not here: running (team.ts).
 */

/** What is compared: so many runs, and no fewer ms of them; unless a try has lost a run's time and so many ms before. */
const [fewestRuns, fewestMs, mostLost] = [4, 25, 5]
/** For how many ms a way is kept: longer each time that the other one was tried for nothing, and as long as so many tries. */
const [shortest, longest, longer, tries] = [50, 2000, 4, 5]
/** A team is slow where it takes this part of what its members would take one after the other. */
const slow = 0.75
/** A team must be slow so often in a row: the first runs of a program are. */
const mostDoubts = 2

/** One program, for batches of one size, and a team of so many. */
export class Pace {
  readonly #members: number
  readonly #isCrowded: boolean
  #isAlone = false
  #best = Infinity
  /** Of the runs that are looked at. */
  #runs = 0
  #sum = 0
  /** What a run took before this way was tried; null: it is not tried, but kept. */
  #before: number | null = null
  #doubts = 0
  #until = 0
  #keeps = shortest

  /** @param cores that the team could have, as the system says */
  constructor(members: number, cores: number) {
    this.#members = members
    this.#isCrowded = members > cores
  }

  /** Whether the next run is one thread's. */
  get isAlone(): boolean {
    return this.#isAlone
  }

  /** A run has taken from … to, in ms. */
  ran(from: number, to: number): void {
    if (!this.#isAlone) this.#best = Math.min(this.#best, to - from)
    this.#runs++
    this.#sum += to - from
    if ((this.#runs < fewestRuns || this.#sum < fewestMs) && !this.#isLost) return
    const [mean, took] = [this.#sum / this.#runs, this.#sum]
    this.#runs = this.#sum = 0
    if (this.#before !== null) this.#compare(mean < this.#before, to, took)
    else if (to >= this.#until && (this.#isAlone || this.#isDoubtful(mean))) this.#try(mean)
  }

  #isDoubtful(mean: number): boolean {
    this.#doubts = mean > slow * this.#members * this.#best ? this.#doubts + 1 : 0
    return this.#isCrowded || this.#doubts >= mostDoubts
  }

  /** Whether what is tried has taken so much longer already that nothing speaks for it. */
  get #isLost(): boolean {
    const before = this.#before ?? Infinity
    return this.#sum - this.#runs * before > Math.max(mostLost, before)
  }

  #try(before: number): void {
    this.#before = before
    this.#doubts = 0
    this.#isAlone = !this.#isAlone
  }

  #compare(isFaster: boolean, now: number, took: number): void {
    if (!isFaster) this.#isAlone = !this.#isAlone
    this.#keeps = isFaster ? shortest : Math.min(longest, longer * this.#keeps)
    this.#until = now + Math.max(this.#keeps, tries * took)
    this.#before = null
  }
}
