/*
 * The encoder's element-wise kernels, fused so that each tensor is read once, and vectorised for
 * the processor that is there. Single-threaded: callers share rows out. All that is float32 here
 * is so in every precision; where a result is an operand of a matrix product, it is also (or
 * only) written as bf16: `ret` and `ret_half` may each be NULL.
 *
 * Sums over rows (gradients of biases and LayerNorm) are added to an array of the calling
 * worker's, to be summed in the workers' order.
 */
#ifndef FREEAL_TRAINER_ENCODER_KERNELS_H
#define FREEAL_TRAINER_ENCODER_KERNELS_H

#include "trainer/encoder/dropout.h"
#include "trainer/encoder/gemm.h"

#include <stddef.h>
#include <stdint.h>

/* LayerNorm's. `gamma`, `beta` (columns). */
struct norm {
	const float *gamma, *beta;
	float epsilon;
	size_t columns;
};

/* Mean and 1 / standard deviation of a row. */
struct norm_stats {
	float mean, scale;
};

/* ret = LN(x) for `rows` rows; `row_keys` (rows) and `d` as below: dropout after it, NULL: none.
 * `ret` may be x.
 * (Embeddings: x is the sum of the three tables' rows.) */
void kernel_norm(const struct norm *n, const float *x, size_t rows, const struct dropout *d,
		 const uint64_t *row_keys, float *ret, bf16 *ret_half,
		 struct norm_stats *ret_stats);

/* sum = residual + dropout(sum + bias) in place, ret = LN(sum): what follows an output
 * projection. `d` NULL: no dropout; `row_keys[i]` is row i's dropout_row_key. */
void kernel_residual_norm(const struct norm *n, const float *bias, const float *residual,
			  size_t rows, const struct dropout *d, const uint64_t *row_keys,
			  float *sum, float *ret, bf16 *ret_half, struct norm_stats *ret_stats);

/* Backward of both. `dy`: gradient of LN's output; `x`: its input. Adds to `dgamma`, `dbeta`
 * (columns) and writes dx, which may be dy. With `ret_branch` or `ret_branch_half` also the
 * gradient of the branch, dropout(dx), and adds its column sums to `dbias`. */
void kernel_norm_backward(const struct norm *n, const float *dy, const float *x,
			  const struct norm_stats *stats, size_t rows, const struct dropout *d,
			  const uint64_t *row_keys, float *dgamma, float *dbeta, float *ret_dx,
			  float *ret_branch, bf16 *ret_branch_half, float *dbias);
/* Gradient of dropout alone, in place. */
void kernel_dropout(size_t rows, size_t columns, const struct dropout *d, const uint64_t *row_keys,
		    float *x);

/* x += bias (columns), for each row. */
void kernel_bias(const float *bias, size_t rows, size_t columns, float *x);

/* u += bias in place; ret = u * (1 + erf(u / sqrt 2)) / 2. */
void kernel_gelu(const float *bias, size_t rows, size_t columns, float *u, float *ret,
		 bf16 *ret_half);
/* ret = dy * gelu'(u); `ret` may be `dy`. Adds its column sums to `dbias`. */
void kernel_gelu_backward(const float *u, const float *dy, size_t rows, size_t columns, float *ret,
			  bf16 *ret_half, float *dbias);

void kernel_half(const float *x, size_t count, bf16 *ret); /* to nearest, ties to even */
void kernel_float(const bf16 *x, size_t count, float *ret);
double kernel_square_sum(const float *x, size_t count);

/* One text's self-attention over all heads. */
struct attention {
	size_t tokens, heads, head_columns;
	const float *qkv; /* (tokens, 3 * heads * head_columns): query, key, value, with bias */
	const struct dropout *d;  /* of the probabilities; NULL: none */
	const uint64_t *row_keys; /* (tokens), of `d` */
};

/* Floats of scratch that one call needs for texts of up to `tokens`. */
size_t kernel_attention_scratch(size_t tokens, size_t head_columns);
/* Heads head_first .. head_first + head_count - 1: their columns of ret (tokens, heads *
 * head_columns). `ret_log_sums` (tokens, heads) is for the backward pass; NULL: there is none. */
void kernel_attention(const struct attention *a, size_t head_first, size_t head_count,
		      float *scratch, float *ret, bf16 *ret_half, float *ret_log_sums);
/* `dout` (tokens, heads * head_columns); computes the probabilities anew. Writes the heads'
 * columns of the gradient of qkv (tokens, 3 * heads * head_columns). */
void kernel_attention_backward(const struct attention *a, const float *dout, const float *log_sums,
			       size_t head_first, size_t head_count, float *scratch, float *ret,
			       bf16 *ret_half);
/* Adds the column sums of x (float, or bf16 where `half`) to `sums`. */
void kernel_column_sums(const float *x, const bf16 *half, size_t rows, size_t columns, float *sums);

#endif
