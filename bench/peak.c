/*
 * The peak of fused multiply-adds in float32 on one core: independent chains in registers, for each vector width.
 * usage: peak BITS SECONDS     prints GFLOP/s (the best of many short runs), or "unsupported"
 * Built by the system's compiler with the host's features; -ffp-contract=fast makes a*b+c one operation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURNS 20000

static double now(void) {
  struct timespec t;
  timespec_get(&t, TIME_UTC);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve chains: enough for a latency of four and three units, few enough for sixteen registers. They start apart, or
   a compiler would see that they are one. */
#define PEAK(BITS)                                                                        \
  typedef float v##BITS __attribute__((vector_size(BITS / 8)));                           \
  static float run##BITS(float seed) {                                                    \
    v##BITS f = (v##BITS){0} + seed, a = f, b = a + f, c = b + f, d = c + f, e = d + f;   \
    v##BITS g = e + f, h = g + f, i = h + f, j = i + f, k = j + f, l = k + f, m = l + f;  \
    for (int turn = 0; turn < TURNS; turn++) {                                            \
      a = a * f + f; b = b * f + f; c = c * f + f; d = d * f + f;                         \
      e = e * f + f; g = g * f + f; h = h * f + f; i = i * f + f;                         \
      j = j * f + f; k = k * f + f; l = l * f + f; m = m * f + f;                         \
      __asm__ volatile("" ::: "memory");                                                  \
    }                                                                                     \
    a = a + b + c + d + e + g + h + i + j + k + l + m;                                    \
    return a[0];                                                                          \
  }

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__)
#define HAS128 1
PEAK(128)
#endif
#if defined(__FMA__) && defined(__AVX__)
#define HAS256 1
PEAK(256)
#endif
#if defined(__AVX512F__)
#define HAS512 1
PEAK(512)
#endif

typedef float (*runner)(float);

static runner find(int bits) {
#ifdef HAS128
  if (bits == 128) return run128;
#endif
#ifdef HAS256
  if (bits == 256) return run256;
#endif
#ifdef HAS512
  if (bits == 512) return run512;
#endif
  (void)bits;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: peak BITS SECONDS\n"), 2;
  int bits = atoi(argv[1]);
  runner run = find(bits);
  if (!run) return puts("unsupported"), 0;
  volatile float sink = 0, seed = 0.5f;
  double best = 1e9, end = now() + atof(argv[2]);
  while (now() < end) {
    double start = now();
    sink += run(seed);
    double took = now() - start;
    if (took < best) best = took;
  }
  printf("%.3f\n", 2.0 * (bits / 32) * 12 * TURNS / best * 1e-9);
  return 0;
}
