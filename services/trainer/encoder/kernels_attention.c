/*
 * Self-attention of short texts, a head at a time, for blocks of queries. Scores lie transposed,
 * (keys, queries of the block), so that maxima and sums over the keys are made for a register of
 * queries at once and nothing is ever added across a register.
 */
#include "math/exponential.h"
#include "trainer/encoder/kernels.h"
#include "trainer/encoder/kernels_row.h"

#include <math.h>
#include <stdbool.h>

enum {
	QUERIES = 32, /* of a block */
	WIDTH_MAX = 16,
};

/* One head's part of the scratch. `width` is head_columns rounded up to a register. */
struct space {
	float *key, *value;	     /* (tokens, width) */
	float *dkey, *dvalue;	     /* (tokens, width) */
	float *scores, *kept, *dual; /* (tokens rounded up to 2, QUERIES) */
	float *query, *dout, *block; /* (QUERIES, width) */
	float *query_t, *dout_t;     /* (width, QUERIES) */
};

struct outputs {
	float *ret;
	bf16 *ret_half;
	float *ret_log_sums;
};

/* C (rows, columns) = A (rows, depth) B (depth, columns) or C + A B. A's element (i, k) is
 * a[i * a_row + k * a_depth]; columns are a multiple of a register's floats. */
struct product {
	size_t rows, columns, depth;
	const float *a;
	size_t a_row, a_depth;
	const float *b;
	size_t b_row;
	float *c;
	size_t c_row;
	bool add;
};

/* The queries of a block, of which `padded` are computed. */
struct block {
	size_t first, count, padded;
	float max[QUERIES], sums[QUERIES];
	uint32_t key_low[QUERIES], key_high[QUERIES]; /* of dropout */
};

static size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) / to * to;
}

/* Lays the parts out one behind the other, at addresses that suit the registers. */
static struct space space_make(float *scratch, size_t tokens, size_t head_columns)
{
	struct space s;
	size_t of_token = tokens * round_up(head_columns, WIDTH_MAX);
	size_t of_score = round_up(tokens, 2) * QUERIES;
	size_t of_block = QUERIES * round_up(head_columns, WIDTH_MAX);
	struct {
		float **part;
		size_t size;
	} parts[] = {
	    {&s.key, of_token},	   {&s.value, of_token},   {&s.dkey, of_token},
	    {&s.dvalue, of_token}, {&s.scores, of_score},  {&s.kept, of_score},
	    {&s.dual, of_score},   {&s.query, of_block},   {&s.dout, of_block},
	    {&s.block, of_block},  {&s.query_t, of_block}, {&s.dout_t, of_block},
	};
	size_t misaligned = (uintptr_t)scratch / sizeof *scratch % WIDTH_MAX;
	float *at = scratch + (misaligned ? WIDTH_MAX - misaligned : 0);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		*parts[i].part = at;
		at += parts[i].size;
	}
	return s;
}

size_t kernel_attention_scratch(size_t tokens, size_t head_columns)
{
	size_t width = round_up(head_columns, WIDTH_MAX);
	return WIDTH_MAX + 4 * tokens * width + 3 * round_up(tokens, 2) * QUERIES +
	       5 * QUERIES * width;
}

/* Rows of `columns` floats, `stride` apart, scaled into rows of `width`. What is not there of
 * `padded` rows is 0. */
ROW_INLINE void rows_pack(const float *x, size_t rows, size_t padded, size_t stride, size_t columns,
			  float scale, size_t width, float *restrict ret)
{
	for (size_t i = 0; i < rows; i++) {
#pragma omp simd
		for (size_t c = 0; c < columns; c++)
			ret[i * width + c] = x[i * stride + c] * scale;
		for (size_t c = columns; c < width; c++)
			ret[i * width + c] = 0.0f;
	}
	for (size_t i = rows * width; i < padded * width; i++)
		ret[i] = 0.0f;
}

typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

/* ret (width, rows) = the transpose of x (rows, width); both are multiples of 4. */
ROW_INLINE void rows_transpose(const float *x, size_t rows, size_t width, float *restrict ret)
{
	for (size_t i = 0; i < rows; i += 4)
		for (size_t c = 0; c < width; c += 4) {
			const float *from = x + i * width + c;
			float *to = ret + c * rows + i;
			quad a = *(const quad *)from, b = *(const quad *)(from + width);
			quad d = *(const quad *)(from + 2 * width);
			quad e = *(const quad *)(from + 3 * width);
			quad ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
			quad de = __builtin_shufflevector(d, e, 0, 4, 1, 5);
			*(quad *)to = __builtin_shufflevector(ab, de, 0, 1, 4, 5);
			*(quad *)(to + rows) = __builtin_shufflevector(ab, de, 2, 3, 6, 7);
			ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
			de = __builtin_shufflevector(d, e, 2, 6, 3, 7);
			*(quad *)(to + 2 * rows) = __builtin_shufflevector(ab, de, 0, 1, 4, 5);
			*(quad *)(to + 3 * rows) = __builtin_shufflevector(ab, de, 2, 3, 6, 7);
		}
}

/* ret = x * scale for a row, as floats and halves. */
ROW_INLINE void row_write(const float *x, size_t columns, float scale, size_t at,
			  const struct outputs *out)
{
	if (out->ret)
#pragma omp simd
		for (size_t c = 0; c < columns; c++)
			out->ret[at + c] = x[c] * scale;
	if (out->ret_half)
#pragma omp simd
		for (size_t c = 0; c < columns; c++)
			out->ret_half[at + c] = half_make(x[c] * scale);
}

ROW_INLINE struct block block_make(const struct attention *a, size_t first, size_t lanes)
{
	struct block b = {.first = first};
	b.count = a->tokens - first < QUERIES ? a->tokens - first : QUERIES;
	b.padded = round_up(b.count, lanes);
	for (size_t i = 0; a->d && i < b.count; i++) {
		b.key_low[i] = (uint32_t)a->row_keys[first + i];
		b.key_high[i] = (uint32_t)(a->row_keys[first + i] >> 32);
	}
	return b;
}

/* What follows goes through the scores of a register of queries after the other. */
#define LANES_SIMD _Pragma("omp simd") for (size_t i = 0; i < lanes; i++)

/* scores = e^(scores - the query's maximum), and their sums over the keys. */
ROW_INLINE void block_softmax(struct block *b, size_t keys, size_t lanes, float *restrict scores)
{
	for (size_t first = 0; first < b->padded; first += lanes) {
		float max[WIDTH_MAX], sums[WIDTH_MAX];
		float *restrict x = scores + first;
		LANES_SIMD
		{
			max[i] = x[i];
			sums[i] = 0.0f;
		}
		for (size_t j = 1; j < keys; j++) {
			x += b->padded;
			LANES_SIMD max[i] = x[i] > max[i] ? x[i] : max[i];
		}
		x = scores + first;
		for (size_t j = 0; j < keys; j++, x += b->padded)
			LANES_SIMD
			{
				x[i] = exponential(x[i] - max[i]);
				sums[i] += x[i];
			}
		LANES_SIMD
		{
			b->max[first + i] = max[i];
			b->sums[first + i] = sums[i];
		}
	}
}

/* ret = x times the masks of the head's keys; `ret` may be x. */
ROW_INLINE void block_dropout(const struct block *b, const struct dropout *d, size_t head,
			      size_t keys, size_t lanes, const float *x, float *ret)
{
	uint32_t threshold = d->threshold;
	float scale = d->scale;
	size_t padded = b->padded;
	for (size_t first = 0; first < padded; first += lanes)
		for (size_t pair = 0; pair < (keys + 1) / 2; pair++) {
			const float *even = x + 2 * pair * padded + first, *odd = even + padded;
			float *ret_even = ret + 2 * pair * padded + first;
			float *ret_odd = ret_even + padded;
			const uint32_t *low = b->key_low + first, *high = b->key_high + first;
			uint32_t counter = (uint32_t)(head << 15) + (uint32_t)pair;
			LANES_SIMD
			{
				uint64_t key = (uint64_t)high[i] << 32 | low[i];
				uint32_t word = dropout_word(key, counter);
				float for_even = (word & 0xffffU) < threshold ? 0.0f : scale;
				float for_odd = word >> 16 < threshold ? 0.0f : scale;
				ret_even[i] = even[i] * for_even;
				ret_odd[i] = odd[i] * for_odd;
			}
		}
}

ROW_INLINE void attention_forward(const struct attention *a, size_t head, const struct space *s,
				  const struct outputs *out, size_t lanes,
				  void (*product)(const struct product *))
{
	size_t columns = a->head_columns, hidden = a->heads * columns, tokens = a->tokens;
	size_t width = round_up(columns, lanes), stride = 3 * hidden;
	const float *query = a->qkv + head * columns, *key = query + hidden, *value = key + hidden;
	float scale = 1.0f / sqrtf((float)columns);
	rows_pack(value, tokens, tokens, stride, columns, 1.0f, width, s->value);
	for (size_t first = 0; first < tokens; first += QUERIES) {
		struct block b = block_make(a, first, lanes);
		rows_pack(query + first * stride, b.count, b.padded, stride, columns, scale, width,
			  s->query);
		rows_transpose(s->query, b.padded, width, s->query_t);
		product(&(struct product){tokens, b.padded, columns, key, stride, 1, s->query_t,
					  b.padded, s->scores, b.padded, false});
		block_softmax(&b, tokens, lanes, s->scores);
		if (a->d)
			block_dropout(&b, a->d, head, tokens, lanes, s->scores, s->scores);
		product(&(struct product){b.count, width, tokens, s->scores, 1, b.padded, s->value,
					  width, s->block, width, false});
		for (size_t i = 0; i < b.count; i++) {
			row_write(s->block + i * width, columns, 1.0f / b.sums[i],
				  (first + i) * hidden + head * columns, out);
			if (out->ret_log_sums)
				out->ret_log_sums[(first + i) * a->heads + head] =
				    b.max[i] + logf(b.sums[i]);
		}
	}
}

/*
 * With P the probabilities, M the mask, and dual = dO V^T: dV = (P M)^T dO and, of the scores,
 * P (M dual - sum over the keys of P M dual), which replaces `dual`. `kept` is P M.
 */
ROW_INLINE void block_backward(const struct block *b, size_t keys, size_t lanes,
			       const float *scores, const float *kept, float *restrict dual)
{
	for (size_t first = 0; first < b->padded; first += lanes) {
		float sums[WIDTH_MAX];
		LANES_SIMD sums[i] = 0.0f;
		for (size_t j = 0; j < keys; j++) {
			size_t at = j * b->padded + first;
			LANES_SIMD
			{
				dual[at + i] *= kept[at + i];
				sums[i] += dual[at + i];
			}
		}
		for (size_t j = 0; j < keys; j++) {
			size_t at = j * b->padded + first;
			LANES_SIMD dual[at + i] -= scores[at + i] * sums[i];
		}
	}
}

/* scores = e^(scores - the query's log sum). */
ROW_INLINE void block_probabilities(const struct block *b, size_t keys, size_t lanes,
				    const float *log_sums, size_t heads, float *restrict scores)
{
	float shift[QUERIES] = {0.0f};
	for (size_t i = 0; i < b->count; i++)
		shift[i] = log_sums[i * heads];
	for (size_t first = 0; first < b->padded; first += lanes)
		for (size_t j = 0; j < keys; j++) {
			float *x = scores + j * b->padded + first;
			LANES_SIMD x[i] = exponential(x[i] - shift[first + i]);
		}
}

ROW_INLINE void attention_backward(const struct attention *a, size_t head, const struct space *s,
				   const float *dout, const float *log_sums,
				   const struct outputs *out, size_t lanes,
				   void (*product)(const struct product *))
{
	size_t columns = a->head_columns, hidden = a->heads * columns, tokens = a->tokens;
	size_t width = round_up(columns, lanes), stride = 3 * hidden;
	const float *query = a->qkv + head * columns, *key = query + hidden, *value = key + hidden;
	float scale = 1.0f / sqrtf((float)columns), *kept = a->d ? s->kept : s->scores;
	rows_pack(key, tokens, tokens, stride, columns, 1.0f, width, s->key);
	for (size_t first = 0; first < tokens; first += QUERIES) {
		struct block b = block_make(a, first, lanes);
		size_t n = b.padded;
		rows_pack(query + first * stride, b.count, b.padded, stride, columns, scale, width,
			  s->query);
		rows_transpose(s->query, b.padded, width, s->query_t);
		rows_pack(dout + first * hidden + head * columns, b.count, n, hidden, columns, 1.0f,
			  width, s->dout);
		rows_transpose(s->dout, n, width, s->dout_t);
		product(&(struct product){tokens, n, columns, key, stride, 1, s->query_t, n,
					  s->scores, n, false});
		product(&(struct product){tokens, n, columns, value, stride, 1, s->dout_t, n,
					  s->dual, n, false});
		block_probabilities(&b, tokens, lanes, log_sums + first * a->heads + head, a->heads,
				    s->scores);
		if (a->d)
			block_dropout(&b, a->d, head, tokens, lanes, s->scores, kept);
		product(&(struct product){tokens, width, b.count, kept, n, 1, s->dout, width,
					  s->dvalue, width, first > 0});
		block_backward(&b, tokens, lanes, s->scores, kept, s->dual);
		product(&(struct product){tokens, width, b.count, s->dual, n, 1, s->query, width,
					  s->dkey, width, first > 0});
		product(&(struct product){b.count, width, tokens, s->dual, 1, n, s->key, width,
					  s->block, width, false});
		for (size_t i = 0; i < b.count; i++)
			row_write(s->block + i * width, columns, scale,
				  (first + i) * stride + head * columns, out);
	}
	for (size_t i = 0; i < tokens; i++) {
		size_t at = i * stride + hidden + head * columns;
		row_write(s->dkey + i * width, columns, 1.0f, at, out);
		row_write(s->dvalue + i * width, columns, 1.0f, at + hidden, out);
	}
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VERSIONS 1
#pragma GCC push_options
#pragma GCC optimize("O3", "fp-contract=fast")
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
#define WIDTH 16
#define NAME(x) wide_##x
#include "trainer/encoder/kernels_attention.inc"
#undef WIDTH
#undef NAME
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
#define WIDTH 8
#define NAME(x) middle_##x
#include "trainer/encoder/kernels_attention.inc"
#undef WIDTH
#undef NAME
#pragma GCC pop_options
#endif
#define WIDTH 4
#define NAME(x) narrow_##x
#include "trainer/encoder/kernels_attention.inc"
#ifdef VERSIONS
#pragma GCC pop_options
#endif

/* The version for this processor. */
struct version {
	void (*forward)(const struct attention *, size_t, const struct space *,
			const struct outputs *);
	void (*backward)(const struct attention *, size_t, const struct space *, const float *,
			 const float *, const struct outputs *);
};

static struct version version_best(void)
{
#ifdef VERSIONS
	if (__builtin_cpu_supports("x86-64-v4"))
		return (struct version){wide_forward, wide_backward};
	if (__builtin_cpu_supports("x86-64-v3"))
		return (struct version){middle_forward, middle_backward};
#endif
	return (struct version){narrow_forward, narrow_backward};
}

void kernel_attention(const struct attention *a, size_t head_first, size_t head_count,
		      float *scratch, float *ret, bf16 *ret_half, float *ret_log_sums)
{
	struct space s = space_make(scratch, a->tokens, a->head_columns);
	struct outputs out = {ret, ret_half, ret_log_sums};
	struct version best = version_best();
	for (size_t head = head_first; head < head_first + head_count; head++)
		best.forward(a, head, &s, &out);
}

void kernel_attention_backward(const struct attention *a, const float *dout, const float *log_sums,
			       size_t head_first, size_t head_count, float *scratch, float *ret,
			       bf16 *ret_half)
{
	struct space s = space_make(scratch, a->tokens, a->head_columns);
	struct outputs out = {ret, ret_half, NULL};
	struct version best = version_best();
	for (size_t head = head_first; head < head_first + head_count; head++)
		best.backward(a, head, &s, dout, log_sums, &out);
}
