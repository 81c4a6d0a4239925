/* The simplest of the kernels: biases, sums and conversions. */
#include "trainer/encoder/kernels.h"

#include "math/simd.h"
#include "trainer/encoder/kernels_row.h"

SIMD_FUSED_VERSIONS
void kernel_bias(const float *bias, size_t rows, size_t columns, float *x)
{
	for (size_t i = 0; i < rows; i++) {
		float *row = x + i * columns;
#pragma omp simd
		for (size_t j = 0; j < columns; j++)
			row[j] += bias[j];
	}
}

SIMD_FUSED_VERSIONS
void kernel_half(const float *x, size_t count, bf16 *ret)
{
	row_half(x, count, ret);
}

SIMD_FUSED_VERSIONS
void kernel_float(const bf16 *x, size_t count, float *ret)
{
#pragma omp simd
	for (size_t i = 0; i < count; i++)
		ret[i] = half_float(x[i]);
}

SIMD_FUSED_VERSIONS
double kernel_square_sum(const float *x, size_t count)
{
	double sum = 0.0;
#pragma omp simd reduction(+ : sum)
	for (size_t i = 0; i < count; i++)
		sum += (double)x[i] * (double)x[i];
	return sum;
}

SIMD_FUSED_VERSIONS
void kernel_column_sums(const float *x, const bf16 *half, size_t rows, size_t columns, float *sums)
{
	for (size_t i = 0; i < rows; i++) {
		if (half) {
			const bf16 *row = half + i * columns;
#pragma omp simd
			for (size_t j = 0; j < columns; j++)
				sums[j] += half_float(row[j]);
		} else {
			const float *row = x + i * columns;
#pragma omp simd
			for (size_t j = 0; j < columns; j++)
				sums[j] += row[j];
		}
	}
}
