/* Makes ../fma.json: bits of a, b, c and fmaf(a, b, c), hard cases and random ones. Not a test. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t state = 20201023;

static uint32_t random_bits(void) { /* splitmix64 */
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static float of_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, 4);
  return f;
}

static uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return isnan(f) ? 0x7fc00000u : u;
}

static void row(float a, float b, float c) {
  static int first = 1;
  volatile float x = a, y = b, z = c;
  printf("%s[%u, %u, %u, %u]", first ? "" : ",\n", bits_of(a), bits_of(b), bits_of(c), bits_of(fmaf(x, y, z)));
  first = 0;
}

int main(void) {
  const float special[] = {0.0f, -0.0f, 1.0f, -1.0f, INFINITY, -INFINITY, NAN, 0x1p-149f, -0x1p-149f, 0x1.fffffep127f, -0x1.fffffep127f, 0x1p-126f};
  const int n = sizeof special / sizeof *special;
  printf("[");
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j += 1)
      for (int k = (i + j) % 3; k < n; k += 3) row(special[i], special[j], special[k]);
  /* The sum in double falls on a tie of float32, and what it lost decides. */
  for (int i = 0; i < 200; i++) {
    float c = of_bits((random_bits() & 0x807fffffu) | ((100 + random_bits() % 60) << 23));
    float half = ldexpf(1, ilogbf(c) - 24);
    float tiny = ldexpf(1.0f, -22) * (random_bits() & 1 ? 1 : -1);
    row(half, random_bits() & 1 ? 1.0f : 1.0f + tiny, c);
    row(-half, random_bits() & 1 ? 1.0f : 1.0f + tiny, c);
    row(half * (1 + ldexpf(1, -23)), 1 - ldexpf(1, -23), c);
  }
  /* Near overflow and among the subnormals. */
  for (int i = 0; i < 200; i++) {
    row(of_bits(0x5f000000u | (random_bits() & 0xffffff)), of_bits(0x5f800000u | (random_bits() & 0x7fffff)), of_bits(0x73000000u | (random_bits() & 0x80ffffffu)));
    row(of_bits(random_bits() & 0xa07fffffu), of_bits(0x3f000000u | (random_bits() & 0xffffff)), of_bits(random_bits() & 0x807fffffu));
    row(of_bits(0x20000000u | (random_bits() & 0x80ffffffu)), of_bits(0x1a000000u | (random_bits() & 0xffffff)), of_bits(random_bits() & 0x8000000fu));
  }
  row(0x1.fffffep127f, 1.0f, 0x1p103f);
  row(0x1.fffffep127f, 1.0f, 0x1.fffffep102f);
  row(0x1p103f, 0x1.000002p0f, 0x1.fffffep127f);
  row(0x1p103f, 0x1.fffffep-1f, 0x1.fffffep127f);
  row(-0x1p103f, 0x1.fffffep-1f, -0x1.fffffep127f);
  for (int i = 0; i < 300; i++) row(of_bits(random_bits()), of_bits(random_bits()), of_bits(random_bits()));
  for (int i = 0; i < 300; i++) {
    uint32_t m = 0x807fffffu;
    row(of_bits((random_bits() & m) | ((120 + random_bits() % 15) << 23)), of_bits((random_bits() & m) | ((120 + random_bits() % 15) << 23)), of_bits((random_bits() & m) | ((100 + random_bits() % 55) << 23)));
  }
  printf("]\n");
  return 0;
}
