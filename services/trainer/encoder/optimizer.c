/* Each weight is read and written once in a step, with all that belongs to it. */
#include "trainer/encoder/optimizer.h"

#include "math/simd.h"
#include "trainer/encoder/kernels.h"
#include "trainer/encoder/kernels_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	GRAIN = 64,    /* floats that one worker takes: cache lines, of halves, too */
	ROW_GRAIN = 64 /* rows of the word table: a word of `live` */
};

/* What one step does to each weight; see torch.optim.AdamW. */
struct update {
	float clip;	     /* of the gradient */
	float keep1, add1;   /* first = first * keep1 + gradient * add1 */
	float keep2, add2;   /* the same for the second, with the gradient's square */
	float epsilon, root; /* root: 1 / sqrt(1 - beta2^steps) */
	float rate;	     /* over 1 - beta1^steps */
	float decay;	     /* of weights that decay, a factor */
};

struct optimizer {
	struct network *n;
	struct optimizer_config config;
	float *first, *second; /* (parameters' size), from one map */
	size_t map_bytes;
	uint64_t steps;
	/* A bit for each row of the word table: its moments may be other than 0. */
	uint64_t *live;
	bool live_known;
	double *sums; /* (team's size) */
	struct update update;
};

/* The part of the arrays that an update works on. */
struct part {
	float *weights, *gradients, *first, *second;
	bf16 *half; /* NULL: none */
	size_t count;
};

struct optimizer_config optimizer_config_default(void)
{
	return (struct optimizer_config){
	    .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .decay = 0.01, .norm_max = 1.0};
}

/* Where the parameters that are trained begin, but for the word table. */
static size_t dense_first(struct network *n)
{
	const struct parameter *word = parameters_single(network_parameters(n), PARAMETER_WORD);
	size_t behind = word->offset + word->rows * word->columns, trained = network_trained(n);
	return trained > behind ? trained : behind;
}

static bool words_trained(struct network *n)
{
	return network_trained(n) <=
	       parameters_single(network_parameters(n), PARAMETER_WORD)->offset;
}

/* Pages that each step writes to are made here and not in the first one. */
static void moments_touch(void *context, size_t worker, size_t worker_count)
{
	struct optimizer *o = context;
	size_t dense = dense_first(o->n), first, count;
	team_share(network_parameters(o->n)->size - dense, GRAIN, worker, worker_count, &first,
		   &count);
	memset(o->first + dense + first, 0, count * sizeof(float));
	memset(o->second + dense + first, 0, count * sizeof(float));
}

/* Both moments, which are 0. Those of frozen parameters and of words that no text has take no
 * memory; the rest may lie on huge pages. */
static enum err moments_map(struct optimizer *o)
{
	size_t size = network_parameters(o->n)->size, dense = dense_first(o->n);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (size * sizeof(float) + page - 1) / page * page;
	void *map =
	    mmap(NULL, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return ERR_NO_MEMORY;
	o->map_bytes = 2 * bytes;
	o->first = map;
	o->second = (float *)((unsigned char *)map + bytes);
	size_t from = (dense * sizeof(float) + page - 1) / page * page;
	/* Without them it is slower, nothing else. */
	(void)madvise((unsigned char *)o->first + from, bytes - from, MADV_HUGEPAGE);
	(void)madvise((unsigned char *)o->second + from, bytes - from, MADV_HUGEPAGE);
	team_run(network_team(o->n), moments_touch, o);
	return ERR_OK;
}

enum err optimizer_new(struct network *n, const struct optimizer_config *config,
		       struct optimizer **ret_optimizer)
{
	const struct parameters *p = network_parameters(n);
	struct optimizer *o = malloc(sizeof *o);
	if (!o)
		return ERR_NO_MEMORY;
	*o = (struct optimizer){.n = n, .config = *config, .live_known = true};
	o->live = calloc((size_t)p->config.vocabulary / ROW_GRAIN + 1, sizeof *o->live);
	o->sums = calloc(team_size(network_team(n)), sizeof *o->sums);
	if (!o->live || !o->sums || moments_map(o)) {
		optimizer_free(o);
		return ERR_NO_MEMORY;
	}
	*ret_optimizer = o;
	return ERR_OK;
}

void optimizer_free(struct optimizer *o)
{
	if (!o)
		return;
	if (o->first)
		(void)munmap(o->first, o->map_bytes);
	free(o->live);
	free(o->sums);
	free(o);
}

size_t optimizer_bytes(const struct parameters *p, uint32_t frozen)
{
	size_t trained = parameters_trained(p, frozen);
	return 2 * (p->size - trained) * sizeof(float) + p->config.vocabulary / 8;
}

struct optimizer_state optimizer_state(struct optimizer *o)
{
	o->live_known = false;
	return (struct optimizer_state){o->first, o->second, &o->steps};
}

double optimizer_rate(double rate, uint64_t step, uint64_t warmup, uint64_t steps)
{
	if (step < warmup)
		return rate * (double)step / (double)warmup;
	if (step >= steps)
		return 0.0;
	return rate * (double)(steps - step) / (double)(steps - warmup);
}

/* Moments that have become this small move no weight, but below the least normal number they
 * would be slow. */
#define MOMENT_MIN 1e-30f

ROW_INLINE void moments_update(const struct update *u, float gradient, float *first, float *second)
{
	float g = gradient * u->clip;
	float m = *first * u->keep1 + g * u->add1;
	*first = fabsf(m) < MOMENT_MIN ? 0.0f : m;
	*second = *second * u->keep2 + g * g * u->add2;
}

ROW_INLINE float weight_update(const struct update *u, float decay, float weight, float first,
			       float second)
{
	return weight * decay - u->rate * (first / (sqrtf(second) * u->root + u->epsilon));
}

SIMD_FUSED_VERSIONS
static void part_update(const struct update *update, float decay, const struct part *part)
{
	struct update u = *update;
	float *restrict w = part->weights, *restrict g = part->gradients;
	float *restrict m = part->first, *restrict v = part->second;
	bf16 *restrict half = part->half;
	if (half) {
#pragma omp simd
		for (size_t i = 0; i < part->count; i++) {
			moments_update(&u, g[i], m + i, v + i);
			w[i] = weight_update(&u, decay, w[i], m[i], v[i]);
			half[i] = half_make(w[i]);
			g[i] = 0.0f;
		}
		return;
	}
#pragma omp simd
	for (size_t i = 0; i < part->count; i++) {
		moments_update(&u, g[i], m + i, v + i);
		w[i] = weight_update(&u, decay, w[i], m[i], v[i]);
		g[i] = 0.0f;
	}
}

/* The same where all gradients are 0. */
SIMD_FUSED_VERSIONS
static void part_update_still(const struct update *update, float decay, const struct part *part)
{
	struct update u = *update;
	float *restrict w = part->weights;
	float *restrict m = part->first, *restrict v = part->second;
#pragma omp simd
	for (size_t i = 0; i < part->count; i++) {
		moments_update(&u, 0.0f, m + i, v + i);
		w[i] = weight_update(&u, decay, w[i], m[i], v[i]);
	}
}

/* The same where all gradients and moments are 0. */
SIMD_FUSED_VERSIONS
static void part_decay(float decay, const struct part *part)
{
	float *w = part->weights;
#pragma omp simd
	for (size_t i = 0; i < part->count; i++)
		w[i] *= decay;
}

static struct part part_make(struct optimizer *o, size_t at, size_t count)
{
	size_t half_first;
	bf16 *half = network_half(o->n, &half_first);
	return (struct part){.weights = network_weights(o->n) + at,
			     .gradients = network_gradients(o->n) + at,
			     .first = o->first + at,
			     .second = o->second + at,
			     .half = half && at >= half_first ? half + (at - half_first) : NULL,
			     .count = count};
}

/* The worker's rows of the word table and, in *ret_touched, of `touched`. */
static void rows_share(struct optimizer *o, size_t worker, size_t worker_count, size_t *ret_first,
		       size_t *ret_end, const uint32_t **ret_touched,
		       const uint32_t **ret_end_touched)
{
	const struct parameter *word = parameters_single(network_parameters(o->n), PARAMETER_WORD);
	size_t count, touched_count;
	const uint32_t *touched = network_touched(o->n, &touched_count);
	team_share(word->rows, ROW_GRAIN, worker, worker_count, ret_first, &count);
	*ret_end = *ret_first + count;
	*ret_end_touched = touched + touched_count;
	while (touched < *ret_end_touched && *touched < *ret_first)
		touched++;
	*ret_touched = touched;
}

static void words_update(struct optimizer *o, size_t worker, size_t worker_count)
{
	const struct parameter *word = parameters_single(network_parameters(o->n), PARAMETER_WORD);
	size_t row, end;
	const uint32_t *touched, *touched_end;
	rows_share(o, worker, worker_count, &row, &end, &touched, &touched_end);
	for (; row < end; row++) {
		struct part part = part_make(o, word->offset + row * word->columns, word->columns);
		uint64_t *live = &o->live[row / ROW_GRAIN], bit = (uint64_t)1 << row % ROW_GRAIN;
		if (touched < touched_end && *touched == row) {
			*live |= bit;
			touched++;
			part_update(&o->update, o->update.decay, &part);
		} else if (*live & bit) {
			part_update_still(&o->update, o->update.decay, &part);
		} else if (o->update.decay != 1.0f) {
			part_decay(o->update.decay, &part);
		}
	}
}

static void update_work(void *context, size_t worker, size_t worker_count)
{
	struct optimizer *o = context;
	const struct parameters *p = network_parameters(o->n);
	size_t dense = dense_first(o->n), first, count;
	if (words_trained(o->n))
		words_update(o, worker, worker_count);
	team_share(p->size - dense, GRAIN, worker, worker_count, &first, &count);
	first += dense;
	for (size_t i = 0; i < p->count; i++) {
		const struct parameter *each = &p->list[i];
		size_t from = each->offset > first ? each->offset : first;
		size_t to = each->offset + each->rows * each->columns;
		to = to < first + count ? to : first + count;
		if (from >= to)
			continue;
		struct part part = part_make(o, from, to - from);
		part_update(&o->update, each->decays ? o->update.decay : 1.0f, &part);
	}
}

static void norm_work(void *context, size_t worker, size_t worker_count)
{
	struct optimizer *o = context;
	const struct parameters *p = network_parameters(o->n);
	const struct parameter *word = parameters_single(p, PARAMETER_WORD);
	const float *gradients = network_gradients(o->n);
	size_t dense = dense_first(o->n), first, count;
	team_share(p->size - dense, GRAIN, worker, worker_count, &first, &count);
	double sum = kernel_square_sum(gradients + dense + first, count);
	if (words_trained(o->n)) {
		const uint32_t *touched, *touched_end;
		size_t row, end;
		rows_share(o, worker, worker_count, &row, &end, &touched, &touched_end);
		for (; touched < touched_end && *touched < end; touched++)
			sum += kernel_square_sum(
			    gradients + word->offset + *touched * word->columns, word->columns);
	}
	o->sums[worker] = sum;
}

/* After the moments may have been written to by others. */
static void live_work(void *context, size_t worker, size_t worker_count)
{
	struct optimizer *o = context;
	const struct parameter *word = parameters_single(network_parameters(o->n), PARAMETER_WORD);
	size_t first, count;
	team_share(word->rows, ROW_GRAIN, worker, worker_count, &first, &count);
	for (size_t row = first; row < first + count; row++) {
		const float *m = o->first + word->offset + row * word->columns;
		const float *v = o->second + word->offset + row * word->columns;
		uint64_t bit = (uint64_t)1 << row % ROW_GRAIN;
		size_t i = 0;
		while (i < word->columns && m[i] == 0.0f && v[i] == 0.0f)
			i++;
		if (i < word->columns)
			o->live[row / ROW_GRAIN] |= bit;
		else
			o->live[row / ROW_GRAIN] &= ~bit;
	}
}

static struct update update_make(const struct optimizer *o, double rate, double norm)
{
	const struct optimizer_config *c = &o->config;
	double clip = c->norm_max > 0.0 ? c->norm_max / (norm + 1e-6) : 1.0;
	double steps = (double)o->steps;
	return (struct update){
	    .clip = clip < 1.0 ? (float)clip : 1.0f,
	    .keep1 = (float)c->beta1,
	    .add1 = (float)(1.0 - c->beta1),
	    .keep2 = (float)c->beta2,
	    .add2 = (float)(1.0 - c->beta2),
	    .epsilon = (float)c->epsilon,
	    .root = (float)(1.0 / sqrt(1.0 - pow(c->beta2, steps))),
	    .rate = (float)(rate / (1.0 - pow(c->beta1, steps))),
	    .decay = (float)(1.0 - rate * c->decay),
	};
}

double optimizer_step(struct optimizer *o, double rate)
{
	struct team *team = network_team(o->n);
	double sum = 0.0;
	team_run(team, norm_work, o);
	for (size_t i = 0; i < team_size(team); i++)
		sum += o->sums[i];
	double norm = sqrt(sum);
	if (isfinite(norm)) {
		if (!o->live_known && words_trained(o->n))
			team_run(team, live_work, o);
		o->live_known = true;
		o->steps++;
		o->update = update_make(o, rate, norm);
		team_run(team, update_work, o);
		network_gradients_cleared(o->n);
	} else {
		network_gradients_clear(o->n);
	}
	return norm;
}
