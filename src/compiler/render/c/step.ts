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
/* Units: with per_granule > 0 count for 2^shift pictures each; else count of them, a share in 2^shift pieces. */
struct call { uint64_t run; uint32_t slots, count, shift, per_granule; };
struct program { uint32_t granule, granule_shift, calls, phases, phases_at, unused; struct call call[]; };
/* Kernels by picture, then counted ones; pieces: of the latter in a share. */
struct phase { uint32_t by_picture, counted, pieces, calls[]; };

/* A run of the step, and this member's place: its number, and that of its squad. */
struct member {
  const struct program *p;
  uint8_t *memory;
  uint32_t table, n, team, tid, nth, squads, size, squad, rank;
  look_t look;
};

INLINE uint32_t blocks_of(uint32_t n, uint32_t shift) { return (n + (1u << shift) - 1) >> shift; }
INLINE uint32_t units_of(const struct call *c, uint32_t n) {
  return c->per_granule ? blocks_of(n, c->shift) * c->count : c->count;
}
INLINE uint32_t batch_of(const uint8_t *memory, uint32_t table) {
  return __atomic_load_n((const uint32_t *)(memory + (uint64_t)table), __ATOMIC_RELAXED);
}

INLINE void run(const struct program *p, const struct call *c, uint8_t *memory, uint32_t table, uint32_t lo, uint32_t hi) {
  if (lo < hi) ((kernel *)(uintptr_t)c->run)(memory, table, (const uint32_t *)p + c->slots, lo, hi);
}

static int32_t meet_all(const struct member *o) {
  return o->nth > 1 && meet(o->memory, o->team, o->team + ${teamBlock.barriers}, o->tid, o->nth, o->look);
}
static int32_t meet_squad(const struct member *o) {
  const uint32_t barrier = o->team + ${teamBlock.barriers} + ${lineBytes} * (o->nth + o->tid - o->rank);
  return o->size > 1 && meet(o->memory, o->team, barrier, o->rank, o->size, o->look);
}

/* All kernels by picture for granule g: the member's part of them. */
static int32_t run_granule(const struct member *o, const struct phase *phase, uint32_t g) {
  for (uint32_t i = 0; i < phase->by_picture; i++) {
    const struct call *c = &o->p->call[phase->calls[i] & ~${JOIN}u];
    const uint32_t whole = units_of(c, o->n), lo = least(whole, g * c->per_granule);
    const uint32_t units = least(whole - lo, c->per_granule);
    if (phase->calls[i] & ${JOIN}u && meet_squad(o)) return 1;
    run(o->p, c, o->memory, o->table, lo + begin_of(units, o->rank, o->size), lo + begin_of(units, o->rank + 1, o->size));
  }
  return 0;
}

/* Piece i of what member m has of the counted kernels. */
static void run_piece(const struct member *o, const struct phase *phase, uint32_t m, uint32_t i) {
  for (const uint32_t *call = phase->calls + phase->by_picture;; call++) {
    const struct call *c = &o->p->call[*call];
    const uint32_t pieces = 1u << c->shift, at = m * pieces + i, of = o->nth * pieces;
    if (i < pieces) return run(o->p, c, o->memory, o->table, begin_of(c->count, at, of), begin_of(c->count, at + 1, of));
    i -= pieces;
  }
}

/* Counts the pieces of member m's share that were taken. */
INLINE uint32_t *taken(const struct member *o, uint32_t m, uint32_t turn) {
  uint8_t *const memory = o->memory;
  return WORD(o->team + ${teamBlock.barriers} + ${lineBytes} * (2 * o->nth + m) + 4 * turn);
}

/* Takes the next of so many pieces of member m's share; gives their number where none is left. */
INLINE uint32_t take(const struct member *o, uint32_t m, uint32_t turn, uint32_t pieces) {
  uint32_t *const word = taken(o, m, turn);
  return SEEN(word) < pieces ? least(pieces, __atomic_fetch_add(word, 1, __ATOMIC_RELAXED)) : pieces;
}

/* Does a phase: granules and pieces of the own share, then what others have not begun. */
static int32_t run_phase(const struct member *o, const struct phase *phase) {
  uint8_t *const memory = o->memory;
  const uint32_t granules = phase->by_picture ? blocks_of(o->n, o->p->granule_shift) : 0;
  const uint32_t first = begin_of(granules, o->squad, o->squads), last = begin_of(granules, o->squad + 1, o->squads);
  if (o->nth == 1 || o->size > 1)
    for (uint32_t g = first; g < last; g++)
      if (run_granule(o, phase, g)) return 1;
  if (o->nth == 1) {
    for (uint32_t i = 0; i < phase->counted; i++) {
      const struct call *c = &o->p->call[phase->calls[phase->by_picture + i]];
      run(o->p, c, memory, o->table, 0, c->count);
    }
    return 0;
  }
  const uint32_t turn = SEEN(WORD(o->team + ${teamBlock.barriers + barrier.passed})) & 1;
  __atomic_store_n(taken(o, o->tid, 1 - turn), 0, __ATOMIC_RELAXED);
  for (uint32_t other = 0; other < o->nth; other = other ? 2 * other : 1) {
    const uint32_t m = o->tid ^ other;
    if (m >= o->nth) continue;
    const uint32_t begin = begin_of(granules, m, o->nth), own = o->size > 1 ? 0 : begin_of(granules, m + 1, o->nth) - begin;
    for (uint32_t i; (i = take(o, m, turn, own + phase->pieces)) < own + phase->pieces;) {
      if (i >= own) run_piece(o, phase, m, i - own);
      else run_granule(o, phase, begin + i);
    }
  }
  return 0;
}

/* Does the share of member tid of nth. 0, or 1 if a member of the team failed. look: see meet; or 0. */
EXPORT int32_t NAME(const struct program *p, uint8_t *memory, uint32_t table, uint32_t tid, uint32_t nth, uint32_t team,
                    look_t look) {
  const uint32_t squads = nth > 1 ? SEEN(WORD(team + ${teamBlock.squads})) : 1, size = nth / squads;
  const struct member own = {p, memory, table, batch_of(memory, table), team, tid, nth, squads, size, tid / size, tid % size, look};
  const uint32_t *at = (const uint32_t *)p + p->phases_at;
  for (uint32_t i = 0; i < p->phases; i++) {
    const struct phase *phase = (const struct phase *)at;
    if (i > 0 && meet_all(&own)) return 1;
    if (run_phase(&own, phase)) return 1;
    at = phase->calls + phase->by_picture + phase->counted;
  }
  return meet_all(&own);
}

/* Does one whole kernel. */
EXPORT void lenet_kernel(const struct program *p, uint8_t *memory, uint32_t table, uint32_t index) {
  if (index < p->calls) run(p, &p->call[index], memory, table, 0, units_of(&p->call[index], batch_of(memory, table)));
}
`

export const stepText = [HEAD, BARRIER, STEP].join('')
