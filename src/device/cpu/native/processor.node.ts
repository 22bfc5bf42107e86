/**
 * What the processor that runs this process can do, asked of itself by a small library. A compiler answers for the machine
 * that it runs on, which is another one where it is a cross compiler, where a server compiles and under an emulator.
 * Not here: how the library is made (worker) and what follows from the answer (toolchain).
 */
import { abi } from '../../../compiler/index.js'
import type { KoffiLibrary } from './library.node.js'

/** Registers as the library gives them; all 0 where a system does not tell. */
export type Words = Uint32Array

const WORDS = 8

/**
 * x86: ECX of CPUID 1; EBX, ECX, EDX of 7.0; EAX, EDX of 7.1; ECX of 8000_0001; XCR0. ARM on Linux: HWCAP, HWCAP2.
 * macOS gives a thread the state of AVX-512 when it first uses it, so that XCR0 does not show it before.
 */
export const PROCESSOR_SOURCE = `typedef unsigned int u32;
#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
EXPORT const u32 lenet_abi = ${abi};
#if defined(__x86_64__)
static void cpuid(u32 leaf, u32 sub, volatile u32 *r) {
  u32 a, b, c, d;
  __asm__ volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(leaf), "c"(sub));
  r[0] = a, r[1] = b, r[2] = c, r[3] = d;
}
EXPORT void lenet_processor(volatile u32 *words) {
  volatile u32 r[4];
  cpuid(0, 0, r);
  const u32 last = r[0];
  cpuid(1, 0, r);
  words[0] = r[2];
  if (last >= 7) {
    cpuid(7, 0, r);
    words[1] = r[1], words[2] = r[2], words[3] = r[3];
    if (r[0] >= 1) {
      cpuid(7, 1, r);
      words[4] = r[0], words[5] = r[3];
    }
  }
  cpuid(0x80000000u, 0, r);
  if (r[0] >= 0x80000001u) {
    cpuid(0x80000001u, 0, r);
    words[6] = r[2];
  }
  if (words[0] >> 27 & 1) {
    u32 low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
    words[7] = low;
#if defined(__APPLE__)
    words[7] |= 0xe0;
#endif
  }
}
#elif defined(__aarch64__) && defined(__linux__)
extern unsigned long getauxval(unsigned long);
EXPORT void lenet_processor(volatile u32 *words) {
  words[0] = (u32)getauxval(16);
  words[1] = (u32)getauxval(26);
}
#else
EXPORT void lenet_processor(volatile u32 *words) { (void)words; }
#endif
`

/** A macro of the compiler, and the bit (word, bit) that says that the processor has what it stands for. */
type Bits = Readonly<Record<string, readonly [word: number, bit: number]>>

/** What a compiler may use of its own accord, as the processor's makers number it. */
const X86: Bits = {
  __SSE3__: [0, 0],
  __SSSE3__: [0, 9],
  __FMA__: [0, 12],
  __SSE4_1__: [0, 19],
  __SSE4_2__: [0, 20],
  __MOVBE__: [0, 22],
  __POPCNT__: [0, 23],
  __AVX__: [0, 28],
  __F16C__: [0, 29],
  __BMI__: [1, 3],
  __AVX2__: [1, 5],
  __BMI2__: [1, 8],
  __AVX512F__: [1, 16],
  __AVX512DQ__: [1, 17],
  __AVX512IFMA__: [1, 21],
  __AVX512CD__: [1, 28],
  __AVX512BW__: [1, 30],
  __AVX512VL__: [1, 31],
  __AVX512VBMI__: [2, 1],
  __AVX512VBMI2__: [2, 6],
  __GFNI__: [2, 8],
  __AVX512VNNI__: [2, 11],
  __AVX512BITALG__: [2, 12],
  __AVX512VPOPCNTDQ__: [2, 14],
  __AVX512FP16__: [3, 23],
  __AVXVNNI__: [4, 4],
  __AVX512BF16__: [4, 5],
  __AVXIFMA__: [4, 23],
  __AVX10_1__: [5, 19],
  __APX_F__: [5, 21],
  __LZCNT__: [6, 5],
  __XOP__: [6, 11],
  __FMA4__: [6, 16],
  __TBM__: [6, 21],
}

/** As Linux's hwcap.h numbers it. */
const ARM64: Bits = {
  __ARM_NEON: [0, 1],
  __ARM_FEATURE_CRC32: [0, 7],
  __ARM_FEATURE_ATOMICS: [0, 8],
  __ARM_FEATURE_FP16_VECTOR_ARITHMETIC: [0, 10],
  __ARM_FEATURE_QRDMX: [0, 12],
  __ARM_FEATURE_JCVT: [0, 13],
  __ARM_FEATURE_COMPLEX: [0, 14],
  __ARM_FEATURE_RCPC: [0, 15],
  __ARM_FEATURE_DOTPROD: [0, 20],
  __ARM_FEATURE_SVE: [0, 22],
  __ARM_FEATURE_SVE2: [1, 1],
  __ARM_FEATURE_MATMUL_INT8: [1, 13],
  __ARM_FEATURE_BF16: [1, 14],
}

const TABLES: Readonly<Record<string, Bits>> = { x64: X86, arm64: ARM64 }

/** Bits of XCR0: the system keeps these registers when it changes threads. */
const KEEPS_YMM = 0x06
const KEEPS_ZMM = 0xe6
const wide: readonly (readonly [RegExp, number])[] = [
  [/^__AVX(?:512|10)/, KEEPS_ZMM],
  [/^__(?:AVX|FMA|F16C|XOP)/, KEEPS_YMM],
]

function has(words: Words, macro: string, [word, bit]: readonly [number, number], arch: string): boolean {
  const keeps = arch === 'x64' ? (wide.find(([name]) => name.test(macro))?.[1] ?? 0) : 0
  return (((words[word] ?? 0) >>> bit) & 1) === 1 && ((words[7] ?? 0) & keeps) === keeps
}

/**
 * Features that code with these macros may use and this processor lacks, as people write them: 'avx512f'.
 * None where the processor could not be asked.
 */
export function lackingFeatures(arch: string, macros: { has(macro: string): boolean }, words: Words): string[] {
  if (words.every((word) => word === 0)) return []
  const used = Object.entries(TABLES[arch] ?? {}).filter(([macro]) => macros.has(macro))
  return used.filter(([macro, bit]) => !has(words, macro, bit, arch)).map(([macro]) => featureName(macro))
}

function featureName(macro: string): string {
  return macro
    .replace(/^__(?:ARM_FEATURE_|ARM_)?/, '')
    .replace(/__$/, '')
    .toLowerCase()
}

/** Asks the processor by a library made of PROCESSOR_SOURCE. */
export function readProcessor(library: KoffiLibrary): Words {
  const words = new Uint32Array(WORDS)
  library.func('void lenet_processor(uint8_t *words)')(new Uint8Array(words.buffer))
  return words
}
