#include "math/vector.h"

#include "math/parallel.h"
#include "math/simd.h"

#include <assert.h>
#include <stdlib.h>

enum { PIECE = 1 << 15, LANES = 16, PARALLEL_PIECES_MIN = 4 };

struct vector_space {
	size_t size, thread_count;
	double *sums; /* of each piece */
	/* The pass that is being made. */
	float *ret;
	const float *a, *b, *with;
	float scale_a, scale_b;
	size_t count;
};

enum err vector_space_new(size_t size, size_t thread_count, struct vector_space **ret)
{
	struct vector_space *s = calloc(1, sizeof *s);
	if (!s)
		return ERR_NO_MEMORY;
	s->size = size;
	s->thread_count = thread_count;
	s->sums = malloc((size / PIECE + 1) * sizeof *s->sums);
	if (!s->sums) {
		free(s);
		return ERR_NO_MEMORY;
	}
	*ret = s;
	return ERR_OK;
}

void vector_space_free(struct vector_space *s)
{
	if (!s)
		return;
	free(s->sums);
	free(s);
}

static double pass_make(struct vector_space *s, void (*work)(void *, size_t))
{
	size_t pieces = (s->size + PIECE - 1) / PIECE;
	size_t threads = pieces < PARALLEL_PIECES_MIN ? 1 : s->thread_count;
	double sum = 0.0;
	parallel_for(threads, pieces, work, s);
	for (size_t i = 0; i < pieces; i++)
		sum += s->sums[i];
	return sum;
}

static size_t piece_size(const struct vector_space *s, size_t piece)
{
	size_t rest = s->size - piece * PIECE;
	return rest < PIECE ? rest : PIECE;
}

SIMD_VERSIONS
static double dot(const float *a, const float *b, size_t n)
{
	double lanes[LANES] = {0.0}, sum = 0.0;
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t j = 0; j < LANES; j++)
			lanes[j] += (double)a[i + j] * (double)b[i + j];
	for (; i < n; i++)
		sum += (double)a[i] * (double)b[i];
	for (size_t j = 0; j < LANES; j++)
		sum += lanes[j];
	return sum;
}

SIMD_VERSIONS
static void scale_one(float *ret, float scale_a, const float *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = scale_a * a[i];
}

SIMD_VERSIONS
static void scale_two(float *ret, float scale_a, const float *a, float scale_b, const float *b,
		      size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] = scale_a * a[i] + scale_b * b[i];
}

SIMD_VERSIONS
static void add(float *ret, const float *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ret[i] += a[i];
}

static void piece_dot(void *context, size_t piece)
{
	struct vector_space *s = context;
	size_t at = piece * PIECE;
	s->sums[piece] = dot(s->a + at, s->b + at, piece_size(s, piece));
}

static void piece_combine(void *context, size_t piece)
{
	struct vector_space *s = context;
	size_t at = piece * PIECE, n = piece_size(s, piece);
	if (s->b)
		scale_two(s->ret + at, s->scale_a, s->a + at, s->scale_b, s->b + at, n);
	else
		scale_one(s->ret + at, s->scale_a, s->a + at, n);
	s->sums[piece] = s->with ? dot(s->ret + at, s->with + at, n) : 0.0;
}

static void piece_sum(void *context, size_t piece)
{
	struct vector_space *s = context;
	size_t at = piece * PIECE, n = piece_size(s, piece);
	scale_one(s->ret + at, s->scale_a, s->a + at, n);
	for (size_t i = 0; i < s->count; i++)
		add(s->ret + at, s->b + i * s->size + at, n);
	s->sums[piece] = dot(s->a + at, s->a + at, n);
}

double vector_dot(struct vector_space *s, const float *a, const float *b)
{
	s->a = a;
	s->b = b;
	return pass_make(s, piece_dot);
}

double vector_combine(struct vector_space *s, float *ret, double scale_a, const float *a,
		      double scale_b, const float *b, const float *with)
{
	s->ret = ret;
	s->a = a;
	s->b = b;
	s->with = with;
	s->scale_a = (float)scale_a;
	s->scale_b = (float)scale_b;
	return pass_make(s, piece_combine);
}

double vector_sum(struct vector_space *s, float *ret, double scale, const float *x,
		  const float *parts, size_t count)
{
	assert(ret != x);
	s->ret = ret;
	s->a = x;
	s->b = parts;
	s->scale_a = (float)scale;
	s->count = count;
	return pass_make(s, piece_sum);
}
