/** How C functions are called: `lenet_abi` of every library. Raised when their parameters change; libraries of another are refused. */
export const abi = 4

/** What every C file begins with: how functions are exported and inlined, and which libraries fit. */
export const exporting = `#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#define INLINE static inline __attribute__((always_inline, unused))
EXPORT extern const uint32_t lenet_abi;
const uint32_t lenet_abi = ${abi};`
