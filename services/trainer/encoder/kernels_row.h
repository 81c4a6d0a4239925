/*
 * What the kernels do to pieces of a row, inlined into each processor's version of them.
 */
#ifndef FREEAL_TRAINER_ENCODER_KERNELS_ROW_H
#define FREEAL_TRAINER_ENCODER_KERNELS_ROW_H

#include "trainer/encoder/dropout.h"
#include "trainer/encoder/gemm.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ROW_INLINE static inline __attribute__((always_inline))

/* Columns that are taken at once: as many as stay in registers and the first cache, even. */
enum { ROW_PIECE = 256 };

ROW_INLINE size_t row_piece(size_t columns, size_t at)
{
	return columns - at < ROW_PIECE ? columns - at : ROW_PIECE;
}

/* To nearest, ties to even. */
ROW_INLINE bf16 half_make(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	uint32_t rounded = (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16;
	uint32_t quiet = bits >> 16 | 0x40U;
	return (bf16)((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
}

ROW_INLINE float half_float(bf16 x)
{
	uint32_t bits = (uint32_t)x << 16;
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

ROW_INLINE void row_half(const float *x, size_t count, bf16 *ret)
{
#pragma omp simd
	for (size_t i = 0; i < count; i++)
		ret[i] = half_make(x[i]);
}

/* As dropout_row, of at most ROW_PIECE columns from `first` (even). */
ROW_INLINE void row_mask(const struct dropout *d, uint64_t row_key, size_t first, size_t count,
			 float *ret)
{
	uint32_t threshold = d->threshold, pair = (uint32_t)(first / 2);
	float scale = d->scale;
#pragma omp simd
	for (size_t i = 0; i < (count + 1) / 2; i++) {
		uint32_t word = dropout_word(row_key, pair + (uint32_t)i);
		ret[2 * i] = (word & 0xffffU) < threshold ? 0.0f : scale;
		ret[2 * i + 1] = word >> 16 < threshold ? 0.0f : scale;
	}
}

/* The mask of a site without dropout. */
ROW_INLINE void row_mask_none(float *ret)
{
	for (size_t i = 0; i < ROW_PIECE; i++)
		ret[i] = 1.0f;
}

#endif
