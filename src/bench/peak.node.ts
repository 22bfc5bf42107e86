/**
 * The machine's FMA peak, measured in each round beside the participants: WebAssembly's 128-bit vectors and, with a C
 * compiler, each width that the processor has; one core, and as many processes at once as there are threads.
 * Not here: the loops (peakWasm.ts, bench/peak.c).
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import type { Peak } from './figures.js'
import { rounded } from './figures.js'
import type { Compiler } from './machine.node.js'
import { Participant } from './participant.node.js'
import { benchFile, scriptFile } from './places.node.js'

const execute = promisify(execFile)
const widths = [128, 256, 512] as const

const flagSets = [['-march=native'], ['-mcpu=native'], []] as const

/** An executable of bench/peak.c in that folder, or null. Compilers that know no -march=native get -mcpu=native, or none. */
async function build({ words: [command, ...first] }: Compiler, folder: string): Promise<string | null> {
  const target = join(folder, process.platform === 'win32' ? 'peak.exe' : 'peak')
  for (const flags of flagSets) {
    const args = [...first, '-O2', ...flags, '-ffp-contract=fast', fileURLToPath(benchFile('peak.c')), '-o', target]
    try {
      await execute(command, args, { timeout: 60_000 })
      return target
    } catch {
      continue
    }
  }
  return null
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/** The best figure of each (device, width, threads) over all rounds. */
export class PeakMeter {
  readonly #counts: readonly number[]
  readonly #compiler: Compiler | null
  readonly #folder = mkdtempSync(join(tmpdir(), 'lenet-bench-'))
  readonly #best = new Map<string, Peak>()
  #program: string | null = null
  #workers: Participant[] = []

  constructor(counts: readonly number[], compiler: Compiler | null) {
    this.#counts = counts
    this.#compiler = compiler
  }

  get peaks(): Peak[] {
    return [...this.#best.values()]
  }

  async start(): Promise<void> {
    if (this.#compiler) this.#program = await build(this.#compiler, this.#folder)
    const launch = { command: process.execPath, args: [scriptFile('workerPeak.node.js')] }
    const idle = {
      kind: 'train',
      net: '',
      layers: [],
      width: 1,
      side: 1,
      batch: 1,
      threads: 1,
      mode: 'peak',
      warmSeconds: 0,
    } as const
    const many = Math.max(...this.#counts)
    this.#workers = await Promise.all(Array.from({ length: many }, () => Participant.start(launch, idle)))
  }

  /** One round; afterwards `peaks` is at least as high. */
  async measure(seconds: number): Promise<void> {
    for (const threads of this.#counts) {
      await this.#wasm(threads, seconds)
      for (const bits of widths) await this.#native(bits, threads, seconds)
    }
  }

  stop(): void {
    this.#workers.forEach((worker) => worker.stop())
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #wasm(threads: number, seconds: number): Promise<void> {
    try {
      const all = await Promise.all(this.#workers.slice(0, threads).map((worker) => worker.measure(seconds)))
      this.#note({ event: 'peak', device: 'wasm', bits: 128, threads, gflops: total(all.flatMap(({ ms }) => ms)) })
    } catch {
      this.#workers.forEach((worker) => worker.stop())
      this.#workers = []
    }
  }

  async #native(bits: number, threads: number, seconds: number): Promise<void> {
    const program = this.#program
    if (program === null) return
    const runs = Array.from({ length: threads }, () => execute(program, [String(bits), String(seconds)]))
    const all = (await Promise.all(runs)).map(({ stdout }) => Number(stdout))
    if (all.every((gflops) => gflops > 0))
      this.#note({ event: 'peak', device: 'native', bits, threads, gflops: total(all) })
  }

  #note(peak: Peak): void {
    const key = `${peak.device} ${peak.bits} ${peak.threads}`
    const gflops = rounded(peak.gflops)
    if (gflops > (this.#best.get(key)?.gflops ?? 0)) this.#best.set(key, { ...peak, gflops })
  }
}
