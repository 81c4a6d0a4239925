/*
 * For kernels that a compiler vectorises: one version for each kind of processor, chosen
 * when the program starts. Their results are the same, because the order of the additions
 * is written down in the source and no multiplication is fused with an addition.
 */
#ifndef FREEAL_MATH_SIMD_H
#define FREEAL_MATH_SIMD_H

/* A sanitizer's runtime isn't ready yet when the versions are chosen. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SIMD_VERSIONS                                                                              \
	__attribute__((target_clones("avx512f", "avx2", "default"),                                \
		       optimize("O3", "no-math-errno")))
/* The same for results that may depend on the processor in their last bits: multiplications
 * fused with additions, and sums in the order that suits the registers (omp simd). Files that use
 * it are compiled with -fno-trapping-math and -fno-math-errno, which GCC does not take from here.
 */
#define SIMD_FUSED_VERSIONS                                                                        \
	__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"),               \
		       optimize("O3", "fp-contract=fast")))
#else
#define SIMD_VERSIONS
#define SIMD_FUSED_VERSIONS
#endif

/* Eight floats at any address; where the processor has shorter registers, it takes several. */
typedef float simd8 __attribute__((vector_size(32), aligned(4), may_alias));

#endif
