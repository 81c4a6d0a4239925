/* LayerNorm with what comes before and after it. A row stays in the first cache for all of it. */
#include "math/simd.h"
#include "trainer/encoder/kernels.h"
#include "trainer/encoder/kernels_row.h"

#include <math.h>

ROW_INLINE struct norm_stats row_stats(const float *x, float sum, size_t columns, float epsilon)
{
	float mean = sum / (float)columns, squares = 0.0f;
#pragma omp simd reduction(+ : squares)
	for (size_t j = 0; j < columns; j++)
		squares += (x[j] - mean) * (x[j] - mean);
	return (struct norm_stats){mean, 1.0f / sqrtf(squares / (float)columns + epsilon)};
}

/* ret = (LN of the columns from `at` on) * mask. */
ROW_INLINE void piece_norm(const struct norm *n, struct norm_stats s, const float *x,
			   const float *mask, size_t at, size_t count, float *ret)
{
	const float *gamma = n->gamma + at, *beta = n->beta + at;
#pragma omp simd
	for (size_t j = 0; j < count; j++)
		ret[j] = ((x[j] - s.mean) * s.scale * gamma[j] + beta[j]) * mask[j];
}

SIMD_FUSED_VERSIONS
void kernel_norm(const struct norm *n, const float *x, size_t rows, const struct dropout *d,
		 const uint64_t *row_keys, float *ret, bf16 *ret_half, struct norm_stats *ret_stats)
{
	float mask[ROW_PIECE], piece[ROW_PIECE];
	row_mask_none(mask);
	for (size_t i = 0; i < rows; i++) {
		const float *row = x + i * n->columns;
		float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
		for (size_t j = 0; j < n->columns; j++)
			sum += row[j];
		struct norm_stats s = row_stats(row, sum, n->columns, n->epsilon);
		for (size_t at = 0; at < n->columns; at += ROW_PIECE) {
			size_t count = row_piece(n->columns, at), here = i * n->columns + at;
			float *out = ret ? ret + here : piece;
			if (d)
				row_mask(d, row_keys[i], at, count, mask);
			piece_norm(n, s, row + at, mask, at, count, out);
			if (ret_half)
				row_half(out, count, ret_half + here);
		}
		if (ret_stats)
			ret_stats[i] = s;
	}
}

/* sum = residual + (sum + bias) * mask; returns the sum over the columns. */
ROW_INLINE float piece_residual(const float *bias, const float *residual, const float *mask,
				size_t count, float *sum)
{
	float total = 0.0f;
#pragma omp simd reduction(+ : total)
	for (size_t j = 0; j < count; j++) {
		sum[j] = residual[j] + (sum[j] + bias[j]) * mask[j];
		total += sum[j];
	}
	return total;
}

SIMD_FUSED_VERSIONS
void kernel_residual_norm(const struct norm *n, const float *bias, const float *residual,
			  size_t rows, const struct dropout *d, const uint64_t *row_keys,
			  float *sum, float *ret, bf16 *ret_half, struct norm_stats *ret_stats)
{
	float mask[ROW_PIECE], ones[ROW_PIECE], piece[ROW_PIECE];
	row_mask_none(mask);
	row_mask_none(ones);
	for (size_t i = 0; i < rows; i++) {
		float *row = sum + i * n->columns, total = 0.0f;
		for (size_t at = 0; at < n->columns; at += ROW_PIECE) {
			size_t count = row_piece(n->columns, at);
			if (d)
				row_mask(d, row_keys[i], at, count, mask);
			total += piece_residual(bias + at, residual + i * n->columns + at, mask,
						count, row + at);
		}
		struct norm_stats s = row_stats(row, total, n->columns, n->epsilon);
		for (size_t at = 0; at < n->columns; at += ROW_PIECE) {
			size_t count = row_piece(n->columns, at), here = i * n->columns + at;
			float *out = ret ? ret + here : piece;
			piece_norm(n, s, row + at, ones, at, count, out);
			if (ret_half)
				row_half(out, count, ret_half + here);
		}
		if (ret_stats)
			ret_stats[i] = s;
	}
}

/* The sums of g = dy * gamma and, returned, of g * (x - mean). */
ROW_INLINE float row_products(const float *gamma, float mean, const float *dy, const float *x,
			      size_t columns, float *ret_sum)
{
	float sum = 0.0f, products = 0.0f;
#pragma omp simd reduction(+ : sum, products)
	for (size_t j = 0; j < columns; j++) {
		float g = dy[j] * gamma[j];
		sum += g;
		products += g * (x[j] - mean);
	}
	*ret_sum = sum;
	return products;
}

/* The columns' part of dx = scale * (g - mean(g) - x^ * mean(g x^)), where g = dy * gamma and
 * x^ = (x - mean) * scale. */
ROW_INLINE void piece_backward(const float *gamma, struct norm_stats s, float mean_g, float mean_gx,
			       const float *dy, const float *x, size_t count, float *dgamma,
			       float *dbeta, float *ret_dx)
{
#pragma omp simd
	for (size_t j = 0; j < count; j++) {
		float g = dy[j], normed = (x[j] - s.mean) * s.scale;
		dgamma[j] += g * normed;
		dbeta[j] += g;
		ret_dx[j] = s.scale * (g * gamma[j] - mean_g - normed * mean_gx);
	}
}

ROW_INLINE void piece_branch(const float *dx, const float *mask, size_t count, float *dbias,
			     float *ret)
{
#pragma omp simd
	for (size_t j = 0; j < count; j++) {
		ret[j] = dx[j] * mask[j];
		dbias[j] += ret[j];
	}
}

SIMD_FUSED_VERSIONS
void kernel_norm_backward(const struct norm *n, const float *dy, const float *x,
			  const struct norm_stats *stats, size_t rows, const struct dropout *d,
			  const uint64_t *row_keys, float *dgamma, float *dbeta, float *ret_dx,
			  float *ret_branch, bf16 *ret_branch_half, float *dbias)
{
	size_t columns = n->columns;
	const float *gamma = n->gamma;
	float mask[ROW_PIECE], piece[ROW_PIECE];
	row_mask_none(mask);
	for (size_t i = 0; i < rows; i++) {
		const float *dy_row = dy + i * columns, *row = x + i * columns;
		struct norm_stats s = stats[i];
		float sum_g = 0.0f,
		      sum_gx = row_products(gamma, s.mean, dy_row, row, columns, &sum_g);
		float mean_g = sum_g / (float)columns;
		float mean_gx = sum_gx * s.scale / (float)columns;
		for (size_t at = 0; at < columns; at += ROW_PIECE) {
			size_t count = row_piece(columns, at), here = i * columns + at;
			piece_backward(gamma + at, s, mean_g, mean_gx, dy_row + at, row + at, count,
				       dgamma + at, dbeta + at, ret_dx + here);
			if (!ret_branch && !ret_branch_half)
				continue;
			float *out = ret_branch ? ret_branch + here : piece;
			if (d)
				row_mask(d, row_keys[i], at, count, mask);
			piece_branch(ret_dx + here, mask, count, dbias + at, out);
			if (ret_branch_half)
				row_half(out, count, ret_branch_half + here);
		}
	}
}

SIMD_FUSED_VERSIONS
void kernel_dropout(size_t rows, size_t columns, const struct dropout *d, const uint64_t *row_keys,
		    float *x)
{
	float mask[ROW_PIECE];
	for (size_t i = 0; d && i < rows; i++)
		for (size_t at = 0; at < columns; at += ROW_PIECE) {
			size_t count = row_piece(columns, at);
			float *piece = x + i * columns + at;
			row_mask(d, row_keys[i], at, count, mask);
#pragma omp simd
			for (size_t j = 0; j < count; j++)
				piece[j] *= mask[j];
		}
}
