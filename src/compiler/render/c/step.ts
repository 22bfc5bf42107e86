/**
 * What stands behind the kernels of every C file: the exported step, which shares each kernel among a team by the rule of
 * loop/team.ts, its barrier, and the call of a single kernel.
 * Not here: kernels (kernel.ts), threads (device).
 */
import { granuleOf, phasesOf, teamBlock, type Phase } from '../../loop/team.js'
import type { LoopKernel, Program, Units } from '../../loop/ir.js'
import { kernelName } from './kernel.js'

const barrier = `
#if defined(__linux__)
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#elif defined(_WIN32)
__declspec(dllimport) int __stdcall SwitchToThread(void);
#else
#include <sched.h>
#endif

#define TEAM_WORD(offset) ((uint32_t *)(memory + (uint64_t)team + (offset)))
#define SEEN(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)

INLINE void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Sleeps while *word is value, for a tenth of a second at most; may also come back at once. */
static void sleep_on(uint32_t *word, uint32_t value) {
#if defined(__linux__) && defined(SYS_futex)
  const struct timespec most = {0, 100000000};
  syscall(SYS_futex, word, 0 | 128, value, &most, (void *)0, 0); /* FUTEX_WAIT, private */
#elif defined(_WIN32)
  (void)word, (void)value;
  SwitchToThread();
#elif !defined(__linux__)
  (void)word, (void)value;
  sched_yield();
#endif
}

static void wake_all(uint32_t *word) {
#if defined(__linux__) && defined(SYS_futex)
  syscall(SYS_futex, word, 1 | 128, 0x7fffffff, (void *)0, (void *)0, 0); /* FUTEX_WAKE, private */
#else
  (void)word;
#endif
}

typedef int32_t (*look_t)(void);

/* Waits until all members have come here. 1 if one of them failed, or is gone as look says, who will not come. */
static int32_t meet(uint8_t *memory, uint32_t team, uint32_t nth, look_t look) {
  uint32_t *const arrived = TEAM_WORD(${teamBlock.arrived}), *const passed = TEAM_WORD(${teamBlock.passed});
  uint32_t *const failed = TEAM_WORD(${teamBlock.failed}), *const sleeping = TEAM_WORD(${teamBlock.sleeping});
  const uint32_t spins = SEEN(TEAM_WORD(${teamBlock.spins})), before = SEEN(passed);
  if (SEEN(failed)) return 1;
  if (__atomic_fetch_add(arrived, 1, __ATOMIC_ACQ_REL) == nth - 1) {
    __atomic_store_n(arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(passed, before + 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(sleeping, __ATOMIC_SEQ_CST)) wake_all(passed);
    return 0;
  }
  for (uint32_t looks = 0; SEEN(passed) == before; looks++) {
    if (SEEN(failed)) return 1;
    if (looks < spins) relax();
    else {
      __atomic_fetch_add(sleeping, 1, __ATOMIC_SEQ_CST);
      sleep_on(passed, before);
      __atomic_fetch_sub(sleeping, 1, __ATOMIC_SEQ_CST);
      looks = spins;
      if (SEEN(passed) == before && look && look()) __atomic_store_n(failed, 1, __ATOMIC_SEQ_CST);
    }
  }
  return 0;
}

/* Where member m of nth begins in a whole. */
INLINE uint32_t begin_of(uint32_t whole, uint32_t m, uint32_t nth) { return (uint32_t)((uint64_t)whole * m / nth); }
INLINE uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }
`

/** ⌈n / size⌉, size a power of two. */
const ceilDiv = (size: number): string => `((n + ${size - 1}u) >> ${Math.log2(size)})`

const unitsText = (units: Units): string => ('count' in units ? `${units.count}u` : ceilDiv(units.pictures))

/** Kernel `i` for its units in granule `g`: loop/team.ts says the same. */
function callByPicture(kernel: LoopKernel, i: number, granule: number): string {
  const pictures = 'pictures' in kernel.units ? kernel.units.pictures : 1
  const cut = (g: string): string => `least(${unitsText(kernel.units)}, (${g}) * ${granule / pictures}u)`
  return `    ${kernelName(kernel, i)}(memory, table, ${cut('g')}, ${cut('g + 1')});`
}

function callCounted(kernel: LoopKernel, i: number): string {
  const part = (member: string): string => `begin_of(${unitsText(kernel.units)}, ${member}, nth)`
  return `  ${kernelName(kernel, i)}(memory, table, ${part('tid')}, ${part('tid + 1')});`
}

function phaseText({ byPicture, counted }: Phase, kernels: readonly LoopKernel[], granule: number): string[] {
  const each = (indices: readonly number[], write: (kernel: LoopKernel, i: number) => string): string[] =>
    indices.flatMap((i) => (kernels[i] ? [write(kernels[i], i)] : []))
  const loop = [
    '  for (uint32_t g = first; g < last; g++) {',
    ...each(byPicture, (kernel, i) => callByPicture(kernel, i, granule)),
    '  }',
  ]
  return [...(byPicture.length > 0 ? loop : []), ...each(counted, callCounted)]
}

export function stepText(program: Program, lanes: number): string {
  const { kernels } = program
  const granule = granuleOf(kernels)
  const calls = phasesOf(program).flatMap((phase, i) => [
    ...(i > 0 ? ['  if (nth > 1 && meet(memory, team, nth, look)) return 1;'] : []),
    ...phaseText(phase, kernels, granule),
  ])
  return [
    barrier,
    `EXPORT extern const uint32_t lenet_abi, lenet_lanes;`,
    `const uint32_t lenet_abi = 2, lenet_lanes = ${lanes};`,
    '',
    '/* Does the share of member tid of nth. 0, or 1 if a member of the team failed. look: see meet; or 0. */',
    'EXPORT int32_t lenet_step(uint8_t *memory, uint32_t table, uint32_t tid, uint32_t nth, uint32_t team, look_t look) {',
    '  const uint32_t n = LOAD_U32(table, 0);',
    `  const uint32_t blocks = ${ceilDiv(granule)};`,
    '  const uint32_t first = begin_of(blocks, tid, nth), last = begin_of(blocks, tid + 1, nth);',
    '  (void)first, (void)last, (void)look;',
    ...calls,
    '  return nth > 1 ? meet(memory, team, nth, look) : 0;',
    '}',
    '',
    '/* Does one whole kernel. */',
    'EXPORT void lenet_kernel(uint8_t *memory, uint32_t table, uint32_t index) {',
    '  const uint32_t n = LOAD_U32(table, 0);',
    '  (void)n;',
    '  switch (index) {',
    ...kernels.map(wholeKernel),
    '  }',
    '}',
    '',
  ].join('\n')
}

const wholeKernel = (kernel: LoopKernel, i: number): string =>
  `    case ${i}: ${kernelName(kernel, i)}(memory, table, 0, ${unitsText(kernel.units)}); break;`
