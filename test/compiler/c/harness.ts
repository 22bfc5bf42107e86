/**
 * Runs rendered C without loading it into Node: a program that reads a memory image, runs the step by a team of threads
 * and writes the image back. The interpreter runs the same kernels on the same image.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import {
  abi,
  distinct,
  fileOf,
  interpret,
  packProgram,
  renderC,
  squadsOf,
  teamBlock,
  teamBytes,
  unitCount,
  type LoopKernel,
  type Program,
} from '../../../src/compiler/index.js'

/** One kernel, its input and how many words it writes. */
export interface Job {
  readonly name: string
  readonly kernel: LoopKernel
  readonly words: Int32Array
  readonly length: number
  /** So many of the first words are floats: any NaN is as good as another. */
  readonly floats?: number
  /** A team meets before it; without, it must do with its own pictures. */
  readonly barrier?: boolean
  /** Takes the output of that job as input. */
  readonly after?: number
}

export interface Run {
  readonly flags?: readonly string[]
  readonly nth?: number
  readonly spins?: number
  readonly failed?: boolean
  readonly repeats?: number
}

function works(cc: string, flags: readonly string[] = []): boolean {
  const args = [...flags, '-dM', '-E', '-x', 'c', '/dev/null']
  try {
    return execFileSync(cc, args, { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0
  } catch {
    return false
  }
}

const compiler = [process.env['CC'], 'cc', 'gcc', 'clang'].find((cc) => cc && works(cc)) ?? null
/** Whether the compiler knows a flag; zig spells processors otherwise. */
export const takes = (flag: string): boolean => compiler !== null && works(compiler, [flag])
export const noCompiler: string | false = compiler === null && 'there is no C compiler here'
/** Whether feature flags of x86 may be given. */
export const isX86 = process.arch === 'x64'

const FLAGS = ['-march=native', '-mprefer-vector-width=512', '-ffp-contract=off', '-fno-math-errno', '-fwrapv']

const MAIN = `
#include "program.c"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static uint8_t *image;
static uint32_t table, team, nth, repeats;
static void *member(void *tid) {
  int32_t failed = 0;
  for (uint32_t i = 0; i < repeats && !failed; i++) failed = lenet_step(program, image, table, (uint32_t)(uintptr_t)tid, nth, team, 0);
  return (void *)(uintptr_t)failed;
}
int main(int argc, char **argv) {
  if (argc != 8 || lenet_abi != ${abi}) return 2;
  find_functions();
  const size_t size = strtoul(argv[3], 0, 10);
  table = strtoul(argv[4], 0, 10), team = strtoul(argv[5], 0, 10), nth = strtoul(argv[6], 0, 10), repeats = strtoul(argv[7], 0, 10);
  image = malloc(size);
  FILE *in = fopen(argv[1], "rb");
  if (!image || !in || fread(image, 1, size, in) != size) return 3;
  pthread_t threads[16];
  uintptr_t failed = 0;
  for (uintptr_t i = 1; i < nth; i++) if (pthread_create(&threads[i], 0, member, (void *)i)) return 4;
  failed = (uintptr_t)member((void *)0);
  for (uint32_t i = 1; i < nth; i++) { void *other; pthread_join(threads[i], &other); failed |= (uintptr_t)other; }
  FILE *out = fopen(argv[2], "wb");
  if (!out || fwrite(image, 1, size, out) != size || fclose(out)) return 5;
  return failed ? 1 : 0;
}
`

/** The program's table, into which the addresses of its functions are put as it starts. */
function programText(program: Program, count: number, calls: readonly number[]): string {
  const table = packProgram(
    program,
    calls.map((_, i) => BigInt(i)),
  )
  const functions = Array.from({ length: count }, (_, i) => `f${i}`)
  return `
#include <stdint.h>
extern const uint32_t lenet_abi;
typedef void function(uint8_t *memory, uint32_t table, const uint32_t *slots, uint32_t lo, uint32_t hi);
${functions.map((name) => `extern function ${name};`).join('\n')}
extern int32_t lenet_step(const void *program, uint8_t *memory, uint32_t table, uint32_t tid, uint32_t nth, uint32_t team, int32_t (*look)(void));
static function *const functions[] = {${calls.map((kernel) => `f${kernel}`).join(', ')}};
static uint32_t program[] __attribute__((aligned(8))) = {${new Uint32Array(table.buffer).join(', ')}};
static void find_functions(void) {
  struct call { uint64_t run; uint32_t rest[4]; } *call = (void *)(program + 6);
  for (uint32_t i = 0; i < program[2]; i++) call[i].run = (uintptr_t)functions[call[i].run];
}
`
}

const TEAM = 64
const TABLE = TEAM + teamBytes(16)

/** Jobs as one program and the memory they work on. */
export class Batch {
  readonly program: Program
  readonly #jobs: readonly Job[]
  readonly #n: number
  readonly #image: Int32Array
  readonly #outputs: readonly number[]

  constructor(jobs: readonly Job[], n: number) {
    this.#jobs = jobs
    this.#n = n
    this.program = {
      kernels: jobs.map((job) => job.kernel),
      slots: jobs.map((_, i) => [1 + 2 * i, 2 + 2 * i]),
      slotCount: 1 + 2 * jobs.length,
      barriers: jobs.map((job) => job.barrier ?? false),
    }
    let end = (TABLE + 4 * this.program.slotCount + 63) & -64
    const place = (words: number): number => {
      const at = end
      end += (4 * words + 63) & -64
      return at
    }
    const inputs = jobs.map((job) => place(job.words.length))
    this.#outputs = jobs.map((job) => place(job.length))
    this.#image = new Int32Array(end / 4 + 64)
    jobs.forEach((job, i) => {
      this.#image.set(job.words, inputs[i]! / 4)
      const input = job.after === undefined ? inputs[i]! : this.#outputs[job.after]!
      this.#image.set([input, this.#outputs[i]!], TABLE / 4 + 1 + 2 * i)
    })
    this.#image[TABLE / 4] = n
  }

  /** What each job's kernel writes by the interpreter. */
  interpreted(repeats = 1): Int32Array[] {
    const image = Int32Array.from(this.#image)
    for (let i = 0; i < repeats; i++)
      this.#jobs.forEach(({ kernel }, k) =>
        interpret(kernel, this.program.slots[k]!, image.buffer, TABLE, 0, unitCount(kernel.units, this.#n)),
      )
    return this.#outputsIn(image)
  }

  /** Compiles once for `flags`; each call then runs it. */
  async compiled(flags: readonly string[] = [], level = '-O1'): Promise<Compiled> {
    const folder = mkdtempSync(join(tmpdir(), 'lenet-c-'))
    const file = join(folder, 'main.c')
    const { kernels, step } = renderC(this.program)
    const parts = kernels.parts.map((text, i) => ({ name: `f${i}`, text }))
    const [kernelFile, stepFile] = [join(folder, 'kernels.c'), join(folder, 'step.c')]
    writeFileSync(kernelFile, fileOf(kernels.head, parts))
    // what every library has
    writeFileSync(stepFile, fileOf('#define lenet_abi step_abi', [{ name: 'lenet_step', text: step.parts[0] ?? '' }]))
    writeFileSync(
      join(folder, 'program.c'),
      programText(this.program, parts.length, distinct(this.program.kernels).calls),
    )
    writeFileSync(file, MAIN)
    const all = [level, ...FLAGS, ...flags, file, kernelFile, stepFile, '-o', join(folder, 'main'), '-lm', '-lpthread']
    await promisify(execFile)(compiler ?? 'cc', all)
    return {
      run: (options) => this.#run(folder, options),
      [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
    }
  }

  #run(folder: string, { nth = 1, spins = 100, failed = false, repeats = 1 }: Run = {}): Int32Array[] | null {
    const image = Int32Array.from(this.#image)
    image.set([Number(failed)], (TEAM + teamBlock.failed) / 4)
    image.set([spins], (TEAM + teamBlock.spins) / 4)
    image.set([squadsOf(this.program.kernels, this.#n, nth)], (TEAM + teamBlock.squads) / 4)
    const [from, to] = [join(folder, 'in'), join(folder, 'out')]
    writeFileSync(from, image)
    try {
      execFileSync(join(folder, 'main'), [from, to, ...[image.byteLength, TABLE, TEAM, nth, repeats].map(String)])
    } catch (error) {
      if (error instanceof Error && 'status' in error && error.status === 1) return null
      throw error
    }
    const bytes = readFileSync(to)
    return this.#outputsIn(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4))
  }

  #outputsIn(image: Int32Array): Int32Array[] {
    return this.#jobs.map((job, i) => image.slice(this.#outputs[i]! / 4, this.#outputs[i]! / 4 + job.length))
  }
}

export interface Compiled extends Disposable {
  /** The outputs of the jobs; null if the team said that a member failed. */
  readonly run: (options?: Run) => Int32Array[] | null
}
