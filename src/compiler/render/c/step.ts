/**
 * The step in C, one function (called NAME) for all programs: it follows a table of calls (pack.ts), shares each kernel among a team by the
 * rule of loop/team.ts, and has the barrier at which members meet. Beside it the call of a single kernel.
 * Not here: kernels (kernel.ts), threads (device).
 */
import { barrier, lineBytes, teamBlock } from '../../loop/team.js'
import { JOIN } from './pack.js'
import { exporting } from './abi.js'

const HEAD = `#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
${exporting}
`

const BARRIER = `
#if defined(__linux__)
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#elif defined(_WIN32)
__declspec(dllimport) int __stdcall SwitchToThread(void);
#else
#include <sched.h>
#endif

#define WORD(at) ((uint32_t *)(memory + (uint64_t)(at)))
#define SEEN(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)

INLINE void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
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

INLINE uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Whether all others have come to a barrier: each counts in its line of the tree, the last there in the next level's. */
static int32_t is_last(uint8_t *memory, uint32_t barrier, uint32_t rank, uint32_t size) {
  for (uint32_t line = barrier + ${barrier.tree}; size > 1;) {
    const uint32_t lines = (size + ${barrier.fan - 1}) / ${barrier.fan}, own = rank / ${barrier.fan};
    uint32_t *const arrived = WORD(line + ${lineBytes} * own);
    if (__atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL) < least(${barrier.fan}, size - ${barrier.fan} * own)) return 0;
    __atomic_store_n(arrived, 0, __ATOMIC_RELAXED);
    line += ${lineBytes} * lines, rank = own, size = lines;
  }
  return 1;
}

/* Waits at a barrier until all of size have come. 1 if one of the team failed, or is gone as look says, who will not come. */
static int32_t meet(uint8_t *memory, uint32_t team, uint32_t barrier, uint32_t rank, uint32_t size, look_t look) {
  uint32_t *const passed = WORD(barrier + ${barrier.passed}), *const sleeping = WORD(barrier + ${barrier.sleeping});
  uint32_t *const failed = WORD(team + ${teamBlock.failed});
  const uint32_t spins = SEEN(WORD(team + ${teamBlock.spins})), before = SEEN(passed);
  if (SEEN(failed)) return 1;
  if (is_last(memory, barrier, rank, size)) {
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
`

/** Offsets in a program are in its own words; a call's address has 64 bits on every machine. */
const STEP = `
typedef void kernel(uint8_t *memory, uint32_t table, const uint32_t *slots, uint32_t lo, uint32_t hi);
/* Units: count of them; or, with per_granule > 0, so many for 2^shift pictures each. */
struct call { uint64_t run; uint32_t slots, count, shift, per_granule; };
struct program { uint32_t granule, granule_shift, calls, phases, phases_at, unused; struct call call[]; };

INLINE uint32_t pieces_of(uint32_t n, uint32_t shift) { return (n + (1u << shift) - 1) >> shift; }
INLINE uint32_t units_of(const struct call *c, uint32_t n) {
  return c->per_granule ? pieces_of(n, c->shift) * c->count : c->count;
}
INLINE uint32_t batch_of(const uint8_t *memory, uint32_t table) {
  return __atomic_load_n((const uint32_t *)(memory + (uint64_t)table), __ATOMIC_RELAXED);
}

INLINE void run(const struct program *p, uint32_t i, uint8_t *memory, uint32_t table, uint32_t lo, uint32_t hi) {
  const struct call *c = &p->call[i];
  if (lo < hi) ((kernel *)(uintptr_t)c->run)(memory, table, (const uint32_t *)p + c->slots, lo, hi);
}

/* Does the share of member tid of nth. 0, or 1 if a member of the team failed. look: see meet; or 0. */
EXPORT int32_t NAME(const struct program *p, uint8_t *memory, uint32_t table, uint32_t tid, uint32_t nth, uint32_t team,
                    look_t look) {
  const uint32_t n = batch_of(memory, table), granules = pieces_of(n, p->granule_shift);
  const uint32_t squads = nth > 1 ? SEEN(WORD(team + ${teamBlock.squads})) : 1, size = nth / squads;
  const uint32_t squad = tid / size, rank = tid % size;
  const uint32_t all = team + ${teamBlock.barriers}, some = all + ${lineBytes} * (nth + tid - rank);
  const uint32_t first = begin_of(granules, squad, squads), last = begin_of(granules, squad + 1, squads);
  const uint32_t *at = (const uint32_t *)p + p->phases_at;
  for (uint32_t phase = 0; phase < p->phases; phase++) {
    const uint32_t by_picture = at[0], counted = at[1], *const calls = at + 2;
    if (phase > 0 && nth > 1 && meet(memory, team, all, tid, nth, look)) return 1;
    for (uint32_t g = first; g < last && by_picture > 0; g++)
      for (uint32_t i = 0; i < by_picture; i++) {
        const uint32_t index = calls[i] & ~${JOIN}u;
        const struct call *c = &p->call[index];
        const uint32_t whole = units_of(c, n), lo = least(whole, g * c->per_granule);
        const uint32_t units = least(whole - lo, c->per_granule);
        if (size > 1 && calls[i] & ${JOIN}u && meet(memory, team, some, rank, size, look)) return 1;
        run(p, index, memory, table, lo + begin_of(units, rank, size), lo + begin_of(units, rank + 1, size));
      }
    for (uint32_t i = by_picture; i < by_picture + counted; i++) {
      const uint32_t whole = p->call[calls[i]].count;
      run(p, calls[i], memory, table, begin_of(whole, tid, nth), begin_of(whole, tid + 1, nth));
    }
    at = calls + by_picture + counted;
  }
  return nth > 1 ? meet(memory, team, all, tid, nth, look) : 0;
}

/* Does one whole kernel. */
EXPORT void lenet_kernel(const struct program *p, uint8_t *memory, uint32_t table, uint32_t index) {
  if (index < p->calls) run(p, index, memory, table, 0, units_of(&p->call[index], batch_of(memory, table)));
}
`

export const stepText = [HEAD, BARRIER, STEP].join('')
