/**
 * What stands before the kernels of every C file: vector types of L lanes, memory, the operations that no operator says.
 * It changes with the lanes alone.
 * gcc and clang split vectors that are wider than the machine's; only what needs intrinsics is split here.
 * Not here: kernels (kernel.ts), the step that calls them (step.ts).
 */

import { exporting } from './abi.js'

const HEAD = `#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif
${exporting}
/* clang halves 512-bit vectors for processors that it takes for faster at 256 bits, and then runs out of registers. */
#if defined(__clang__) && defined(__AVX512F__)
#define KERNEL EXPORT __attribute__((min_vector_width(512))) void
#else
#define KERNEL EXPORT void
#endif
/* Loops are unrolled before they are written as C, or not at all: more of it only spills. Those over an array of vectors
   are unrolled at every level of optimization (zig's -O3 is -O2), or the array stays in memory. */
#if defined(__clang__)
#define LOOP _Pragma("clang loop unroll(disable)")
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define LOOP _Pragma("GCC unroll 1")
#define UNROLL _Pragma("GCC unroll 16")
#endif
`

const TYPES = `
typedef float vf __attribute__((vector_size(4 * L)));
typedef int32_t vi __attribute__((vector_size(4 * L)));
typedef uint32_t vu __attribute__((vector_size(4 * L)));
typedef float vf_at __attribute__((vector_size(4 * L), aligned(1), may_alias));
typedef int32_t vi_at __attribute__((vector_size(4 * L), aligned(1), may_alias));
typedef float f32_at __attribute__((aligned(1), may_alias));
typedef int32_t i32_at __attribute__((aligned(1), may_alias));
typedef uint32_t u32_at __attribute__((aligned(1), may_alias));

#define AT(at, offset) (memory + (uint64_t)(uint32_t)(at) + (offset))
#define LOAD_VF(at, offset) (*(const vf_at *)AT(at, offset))
#define LOAD_VI(at, offset) (*(const vi_at *)AT(at, offset))
#define LOAD_F32(at, offset) (*(const f32_at *)AT(at, offset))
#define LOAD_I32(at, offset) (*(const i32_at *)AT(at, offset))
#define LOAD_U32(at, offset) (*(const u32_at *)AT(at, offset))
#define LOAD_U8(at, offset) ((uint32_t)*AT(at, offset))
#define STORE_VF(at, offset, value) (*(vf_at *)AT(at, offset) = (value))
#define STORE_VI(at, offset, value) (*(vi_at *)AT(at, offset) = (value))
#define STORE_F32(at, offset, value) (*(f32_at *)AT(at, offset) = (value))
#define STORE_I32(at, offset, value) (*(i32_at *)AT(at, offset) = (value))
#define STORE_U32(at, offset, value) (*(u32_at *)AT(at, offset) = (value))
`

/** The machine's widest vector that is no wider than ours, and its operations. max(b, a) is b > a ? b : a, as MAXPS. */
const PARTS = `
#if defined(__AVX512F__) && L == 16
typedef __m512 part;
#define PART_BYTES 64
#define PART_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define PART_SQRT(a) _mm512_sqrt_ps(a)
#define PART_PMAX(a, b) _mm512_max_ps(b, a)
#define PART_PMIN(a, b) _mm512_min_ps(b, a)
#elif defined(__AVX__) && L >= 8
typedef __m256 part;
#define PART_BYTES 32
#if defined(__FMA__)
#define PART_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#endif
#define PART_SQRT(a) _mm256_sqrt_ps(a)
#define PART_PMAX(a, b) _mm256_max_ps(b, a)
#define PART_PMIN(a, b) _mm256_min_ps(b, a)
#elif defined(__SSE2__)
typedef __m128 part;
#define PART_BYTES 16
#if defined(__FMA__)
#define PART_FMA(a, b, c) _mm_fmadd_ps(a, b, c)
#endif
#define PART_SQRT(a) _mm_sqrt_ps(a)
#define PART_PMAX(a, b) _mm_max_ps(b, a)
#define PART_PMIN(a, b) _mm_min_ps(b, a)
#elif defined(__ARM_NEON) && defined(__aarch64__)
typedef float32x4_t part;
#define PART_BYTES 16
#define PART_FMA(a, b, c) vfmaq_f32(c, a, b)
#define PART_SQRT(a) vsqrtq_f32(a)
#define PART_PMAX(a, b) vbslq_f32(vcltq_f32(a, b), b, a)
#define PART_PMIN(a, b) vbslq_f32(vcltq_f32(b, a), b, a)
#else
typedef float part;
#define PART_BYTES 4
#define PART_FMA(a, b, c) __builtin_fmaf(a, b, c)
#define PART_SQRT(a) __builtin_sqrtf(a)
#define PART_PMAX(a, b) ((a) < (b) ? (b) : (a))
#define PART_PMIN(a, b) ((b) < (a) ? (b) : (a))
#endif

typedef union { vf v; part p[4 * L / PART_BYTES]; float f[L]; } parts;
#if PART_BYTES == 4 * L
#define BY_PARTS(a, b, c, whole, each) return (vf)(whole);
#else
#define BY_PARTS(a, b, c, whole, each) \\
  parts x = {a}, y = {b}, z = {c}, r; \\
  UNROLL for (unsigned i = 0; i < 4 * L / PART_BYTES; i++) r.p[i] = (each); \\
  (void)y, (void)z; \\
  return r.v;
#endif

#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX__) && PART_BYTES == 4 * L
#define HOLD(v) __asm__("" : "+v"(v))
#else
#define HOLD(v) (void)0
#endif

INLINE vf v_fma(vf a, vf b, vf c) {
#if defined(PART_FMA)
  BY_PARTS(a, b, c, PART_FMA((part)a, (part)b, (part)c), PART_FMA(x.p[i], y.p[i], z.p[i]))
#else
  parts x = {a}, y = {b}, z = {c}, r;
  UNROLL for (unsigned i = 0; i < L; i++) r.f[i] = __builtin_fmaf(x.f[i], y.f[i], z.f[i]);
  return r.v;
#endif
}
INLINE vf v_sqrt(vf a) { BY_PARTS(a, a, a, PART_SQRT((part)a), PART_SQRT(x.p[i])) }
INLINE vf v_pmax(vf a, vf b) { BY_PARTS(a, b, a, PART_PMAX((part)a, (part)b), PART_PMAX(x.p[i], y.p[i])) }
INLINE vf v_pmin(vf a, vf b) { BY_PARTS(a, b, a, PART_PMIN((part)a, (part)b), PART_PMIN(x.p[i], y.p[i])) }
`

/** Masks are −1 or 0 in every lane. v_ftoi converts only what fits. v_nearest: beyond 2^23 every float is whole. */
const OPERATIONS = `
INLINE vi v_iselect(vi m, vi a, vi b) {
#if PART_BYTES == 64
  return (vi)_mm512_ternarylogic_epi32((__m512i)m, (__m512i)a, (__m512i)b, 0xca);
#else
  return (m & a) | (~m & b);
#endif
}
INLINE vf v_fselect(vi m, vf a, vf b) { return (vf)v_iselect(m, (vi)a, (vi)b); }
INLINE vi v_imin(vi a, vi b) { return v_iselect((vi)(a < b), a, b); }
INLINE uint32_t s_imin(uint32_t a, uint32_t b) { return (int32_t)a < (int32_t)b ? a : b; }
INLINE vf v_abs(vf a) { return (vf)((vi)a & I(0x7fffffff)); }
INLINE vf v_itof(vi a) { return __builtin_convertvector(a, vf); }
INLINE vi v_ftoi(vf a) {
  vi high = (vi)(a >= F(2147483648.0f)), fits = (vi)(a >= F(-2147483648.0f)) & ~high;
  vi low = (vi)(a < F(-2147483648.0f));
  vi whole = __builtin_convertvector((vf)((vi)a & fits), vi);
  return whole | (high & I(0x7fffffff)) | (low & I(-2147483647 - 1));
}
INLINE vf v_nearest(vf a) {
  vf size = v_abs(a), whole = size + F(8388608.0f) - F(8388608.0f);
  vi sign = (vi)a & I(-2147483647 - 1);
  return v_fselect((vi)(size < F(8388608.0f)), (vf)((vi)whole | sign), a);
}
`

const numbers = (lanes: number, of: (lane: number) => string | number): string =>
  Array.from({ length: lanes }, (_, lane) => of(lane)).join(', ')

/** Constants and broadcasts: F(x), I(x); SHUFFLE picks words 0 … L−1 of the first vector, L … 2L−1 of the second. */
const broadcasts = (lanes: number): string => `
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif
#define IOTA ((vi){${numbers(lanes, (lane) => lane)}})
INLINE vf F(float x) { return (vf){${numbers(lanes, () => 'x')}}; }
INLINE vi I(int32_t x) { return (vi){${numbers(lanes, () => 'x')}}; }
`

/**
 * L rows in place. Within each four rows words are paired as machines do within 16 bytes, then pieces of 4 and of 8
 * words change places: log2(L) rounds.
 */
function transpose(lanes: number): string {
  const within = (picks: readonly number[]): string =>
    numbers(lanes, (lane) => {
      const pick = picks[lane % 4] ?? 0
      return lane - (lane % 4) + (pick < 4 ? pick : pick - 4 + lanes)
    })
  const out = ['INLINE void v_transpose(vf *r) {', `  UNROLL for (int i = 0; i < ${lanes}; i += 4) {`]
  out.push(
    `    vf a = SHUFFLE(r[i], r[i + 1], ${within([0, 4, 1, 5])}), b = SHUFFLE(r[i], r[i + 1], ${within([2, 6, 3, 7])});`,
  )
  out.push(
    `    vf c = SHUFFLE(r[i + 2], r[i + 3], ${within([0, 4, 1, 5])}), d = SHUFFLE(r[i + 2], r[i + 3], ${within([2, 6, 3, 7])});`,
  )
  out.push(
    `    r[i] = SHUFFLE(a, c, ${within([0, 1, 4, 5])});`,
    `    r[i + 1] = SHUFFLE(a, c, ${within([2, 3, 6, 7])});`,
  )
  out.push(
    `    r[i + 2] = SHUFFLE(b, d, ${within([0, 1, 4, 5])});`,
    `    r[i + 3] = SHUFFLE(b, d, ${within([2, 3, 6, 7])});`,
  )
  out.push('  }')
  for (let s = 4; s < lanes; s *= 2) {
    out.push(
      `  UNROLL for (int i = 0; i < ${lanes}; i++) {`,
      `    if (i & ${s}) continue;`,
      `    vf a = r[i], b = r[i + ${s}];`,
    )
    out.push(`    r[i] = SHUFFLE(a, b, ${numbers(lanes, (j) => (j & s ? lanes + j - s : j))});`)
    out.push(`    r[i + ${s}] = SHUFFLE(a, b, ${numbers(lanes, (j) => (j & s ? lanes + j : j + s))});`, '  }')
  }
  return [...out, '}', ''].join('\n')
}

export function prelude(lanes: number): string {
  return [HEAD, `#define L ${lanes}\n`, TYPES, broadcasts(lanes), PARTS, OPERATIONS, transpose(lanes)].join('')
}
