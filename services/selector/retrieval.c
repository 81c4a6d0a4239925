#include "selector/retrieval.h"

#include "selector/medoids.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TILE                                                                                       \
	256 /* queries per matrix product: always as many, so that a row's result                  \
	     * doesn't depend on its block */
#define SAMPLE_QUERIES_MAX 2048
#define SAMPLE_COSINES_MAX (4u << 20)
#define PRICE_STEPS 60
#define PRICE_RATE 0.05	  /* cosine per step and multiple of the cap */
#define PRICE_MARGIN 0.97 /* of the cap; leaves few to the hard limit */
#define CLASSES_MIN 3
#define COVER 0.9

struct retrieval {
	size_t pool_size, dimensions, class_count, shots;
	uint64_t query_count, cap, taken_max;
	float *vectors; /* pool × dimensions, centred and normalised */
	float *centre;	/* NULL: none */
	uint64_t *sample_nos;
	uint32_t *classes;
	size_t *class_begin; /* [classes + 1] into class_member */
	uint32_t *class_member;
	float *price;	/* [pool] */
	uint64_t *used; /* [pool] */
	uint64_t row_count, pair_count;
	double cosine_sum, uncapped_sum;
	/* Working memory. */
	float *tile;	/* TILE × dimensions */
	float *cosine;	/* TILE × pool */
	float *score;	/* [pool] of one query */
	bool *open;	/* [pool] may be picked for this query */
	bool *seen;	/* [classes] used by this query */
	uint32_t *pick; /* [shots] */
	uint32_t *turn; /* [shots] */
};

void retrieval_free(struct retrieval *r)
{
	if (!r)
		return;
	free(r->vectors);
	free(r->centre);
	free(r->sample_nos);
	free(r->classes);
	free(r->class_begin);
	free(r->class_member);
	free(r->price);
	free(r->used);
	free(r->tile);
	free(r->cosine);
	free(r->score);
	free(r->open);
	free(r->seen);
	free(r->pick);
	free(r->turn);
	free(r);
}

static void *array(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

static bool retrieval_allocate(struct retrieval *r)
{
	r->vectors = array(r->pool_size * r->dimensions, sizeof(*r->vectors));
	r->sample_nos = array(r->pool_size, sizeof(*r->sample_nos));
	r->classes = array(r->pool_size, sizeof(*r->classes));
	r->class_begin = array(r->class_count + 1, sizeof(*r->class_begin));
	r->class_member = array(r->pool_size, sizeof(*r->class_member));
	r->price = array(r->pool_size, sizeof(*r->price));
	r->used = array(r->pool_size, sizeof(*r->used));
	r->tile = array(TILE * r->dimensions, sizeof(*r->tile));
	r->cosine = array(TILE * r->pool_size, sizeof(*r->cosine));
	r->score = array(r->pool_size, sizeof(*r->score));
	r->open = array(r->pool_size, sizeof(*r->open));
	r->seen = array(r->class_count, sizeof(*r->seen));
	r->pick = array(r->shots, sizeof(*r->pick));
	r->turn = array(r->shots, sizeof(*r->turn));
	return r->vectors && r->sample_nos && r->classes && r->class_begin && r->class_member &&
	       r->price && r->used && r->tile && r->cosine && r->score && r->open && r->seen &&
	       r->pick && r->turn;
}

/* Lists each class's demonstrations, ascending. */
static void classes_index(struct retrieval *r)
{
	size_t at = 0;
	for (size_t k = 0; k < r->class_count; k++) {
		r->class_begin[k] = at;
		for (size_t d = 0; d < r->pool_size; d++)
			if (r->classes[d] == k)
				r->class_member[at++] = (uint32_t)d;
	}
	r->class_begin[r->class_count] = at;
	assert(at == r->pool_size);
}

enum err retrieval_new(const struct retrieval_config *config, struct retrieval **ret_retrieval)
{
	struct retrieval *r = calloc(1, sizeof(*r));
	if (!r)
		return ERR_NO_MEMORY;
	r->pool_size = config->pool_size;
	r->dimensions = config->dimensions;
	r->class_count = config->class_count;
	r->shots = config->shots;
	r->query_count = config->query_count;
	if (config->centre)
		r->centre = array(r->dimensions, sizeof(*r->centre));
	if (!retrieval_allocate(r) || (config->centre && !r->centre)) {
		retrieval_free(r);
		return ERR_NO_MEMORY;
	}
	if (config->centre)
		memcpy(r->centre, config->centre, r->dimensions * sizeof(*r->centre));
	if (r->pool_size) {
		memcpy(r->vectors, config->vectors,
		       r->pool_size * r->dimensions * sizeof(*r->vectors));
		memcpy(r->sample_nos, config->sample_nos, r->pool_size * sizeof(*r->sample_nos));
		memcpy(r->classes, config->classes, r->pool_size * sizeof(*r->classes));
		medoids_normalise(r->vectors, r->pool_size, r->dimensions, r->centre);
		double cap = RETRIEVAL_CAP * (double)r->shots / (double)r->pool_size *
			     (double)r->query_count;
		r->cap = cap < 1 ? 1 : (uint64_t)floor(cap + 1e-9);
	}
	classes_index(r);
	*ret_retrieval = r;
	return ERR_OK;
}

/* Cosines of up to TILE queries with the whole pool, into `cosine`. */
static void tile_product(struct retrieval *r, const float *vectors, size_t n, float *cosine)
{
	memset(r->tile, 0, TILE * r->dimensions * sizeof(*r->tile));
	memcpy(r->tile, vectors, n * r->dimensions * sizeof(*r->tile));
	medoids_normalise(r->tile, n, r->dimensions, r->centre);
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, TILE, (int)r->pool_size,
		    (int)r->dimensions, 1, r->tile, (int)r->dimensions, r->vectors,
		    (int)r->dimensions, 0, cosine, (int)r->pool_size);
}

/* Appends to the picks the best `want` open ones of `members` (NULL: of the pool), best
 * score first, ties to the lower number. Returns how many there were. */
static size_t pick_best(struct retrieval *r, const uint32_t *members, size_t n, size_t want,
			size_t count)
{
	size_t got = 0;
	uint32_t *pick = r->pick + count;
	for (size_t i = 0; i < n && want > 0; i++) {
		uint32_t d = members ? members[i] : (uint32_t)i;
		if (!r->open[d] || (got == want && r->score[d] <= r->score[pick[got - 1]]))
			continue;
		size_t at = got < want ? got++ : got - 1;
		for (; at > 0 && r->score[d] > r->score[pick[at - 1]]; at--)
			pick[at] = pick[at - 1];
		pick[at] = d;
	}
	for (size_t i = 0; i < got; i++) {
		r->open[pick[i]] = false;
		r->turn[count + i] = (uint32_t)i;
	}
	return got;
}

/* Likeliest class with demonstrations that this query has not used yet. */
static size_t class_next(struct retrieval *r, const float *probability)
{
	size_t best = r->class_count;
	for (size_t k = 0; k < r->class_count; k++)
		if (!r->seen[k] && r->class_begin[k] < r->class_begin[k + 1] &&
		    (best == r->class_count || probability[k] > probability[best]))
			best = k;
	if (best < r->class_count)
		r->seen[best] = true;
	return best;
}

/* Over how many classes this query's shots are spread. */
static size_t class_spread(struct retrieval *r, const float *probability)
{
	size_t count = 0, most = r->shots / 2 > CLASSES_MIN ? r->shots / 2 : CLASSES_MIN;
	double cover = 0;
	if (most > r->shots)
		most = r->shots;
	memset(r->seen, 0, r->class_count * sizeof(*r->seen));
	while (count < most && (count < CLASSES_MIN || cover < COVER)) {
		size_t k = class_next(r, probability);
		if (k == r->class_count)
			break;
		cover += probability[k];
		count++;
	}
	memset(r->seen, 0, r->class_count * sizeof(*r->seen));
	return count;
}

/* Sorts the picks by turn, then by cosine: interleaved, nearest first. */
static void picks_sort(struct retrieval *r, const float *cosine, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		uint32_t pick = r->pick[i], turn = r->turn[i];
		size_t at = i;
		for (; at > 0; at--) {
			uint32_t other = r->pick[at - 1], other_turn = r->turn[at - 1];
			bool before =
			    turn != other_turn ? turn < other_turn : cosine[pick] > cosine[other];
			if (!before)
				break;
			r->pick[at] = other;
			r->turn[at] = other_turn;
		}
		r->pick[at] = pick;
		r->turn[at] = turn;
	}
}

/* Picks one query's demonstrations into r->pick; returns how many. */
static size_t query_pick(struct retrieval *r, const float *cosine, uint64_t sample_no,
			 const float *probability, bool priced, bool capped)
{
	size_t count = 0;
	for (size_t d = 0; d < r->pool_size; d++) {
		r->score[d] = cosine[d] - (priced ? r->price[d] : 0);
		r->open[d] = r->sample_nos[d] != sample_no && !(capped && r->used[d] >= r->cap);
	}
	if (probability) {
		size_t spread = class_spread(r, probability);
		for (size_t i = 0; count < r->shots; i++) {
			size_t k = class_next(r, probability);
			if (k == r->class_count)
				break;
			size_t want = r->shots - count;
			if (i < spread) {
				size_t share = r->shots / spread + (i < r->shots % spread);
				want = share < want ? share : want;
			}
			count += pick_best(r, r->class_member + r->class_begin[k],
					   r->class_begin[k + 1] - r->class_begin[k], want, count);
		}
	}
	count += pick_best(r, NULL, r->pool_size, r->shots - count, count);
	if (count < r->shots && capped) {
		for (size_t d = 0; d < r->pool_size; d++)
			r->open[d] = r->sample_nos[d] != sample_no;
		for (size_t i = 0; i < count; i++)
			r->open[r->pick[i]] = false;
		count += pick_best(r, NULL, r->pool_size, r->shots - count, count);
	}
	picks_sort(r, cosine, count);
	return count;
}

size_t retrieval_sample_max(const struct retrieval *r)
{
	size_t most = r->pool_size ? SAMPLE_COSINES_MAX / r->pool_size : SAMPLE_QUERIES_MAX;
	return most < SAMPLE_QUERIES_MAX ? most : SAMPLE_QUERIES_MAX;
}

/* Class probabilities of a query; NULL: not known. */
static const float *query_probability(const struct retrieval *r, const struct retrieval_queries *q,
				      size_t i)
{
	return i < q->probable ? q->probabilities + i * r->class_count : NULL;
}

/* One subgradient step: dearer where wanted more often than the cap allows. */
static void price_step(struct retrieval *r, const struct retrieval_queries *sample,
		       const float *cosine, uint64_t *wanted, double target, double rate)
{
	memset(wanted, 0, r->pool_size * sizeof(*wanted));
	for (size_t i = 0; i < sample->n; i++) {
		size_t count = query_pick(r, cosine + i * r->pool_size, sample->sample_nos[i],
					  query_probability(r, sample, i), true, false);
		for (size_t j = 0; j < count; j++)
			wanted[r->pick[j]]++;
	}
	for (size_t d = 0; d < r->pool_size; d++) {
		double excess = fmin(3, (double)wanted[d] / target - 1);
		r->price[d] = (float)fmax(0, r->price[d] + rate * excess);
	}
}

enum err retrieval_price(struct retrieval *r, const struct retrieval_queries *sample)
{
	assert(sample->n <= retrieval_sample_max(r));
	if (!sample->n || !r->pool_size || !r->shots || r->cap >= r->query_count)
		return ERR_OK;
	size_t rows = (sample->n + TILE - 1) / TILE * TILE;
	float *cosine = malloc(rows * r->pool_size * sizeof(*cosine));
	uint64_t *wanted = malloc(r->pool_size * sizeof(*wanted));
	if (!cosine || !wanted) {
		free(cosine);
		free(wanted);
		return ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < sample->n; i += TILE) {
		size_t n = sample->n - i < TILE ? sample->n - i : TILE;
		tile_product(r, sample->vectors + i * r->dimensions, n, cosine + i * r->pool_size);
	}
	double target = PRICE_MARGIN * (double)r->cap * (double)sample->n / (double)r->query_count;
	for (int step = 0; step < PRICE_STEPS; step++)
		price_step(r, sample, cosine, wanted, target, PRICE_RATE / sqrt(1 + step));
	free(cosine);
	free(wanted);
	return ERR_OK;
}

static void query_serve(struct retrieval *r, const float *cosine, uint64_t sample_no,
			const float *probability, uint32_t *ret_row, uint32_t *ret_count)
{
	size_t count = query_pick(r, cosine, sample_no, probability, false, false);
	for (size_t j = 0; j < count; j++)
		r->uncapped_sum += cosine[r->pick[j]];
	count = query_pick(r, cosine, sample_no, probability, true, true);
	for (size_t j = 0; j < count; j++) {
		uint32_t d = r->pick[j];
		r->cosine_sum += cosine[d];
		r->used[d]++;
		if (r->used[d] > r->taken_max)
			r->taken_max = r->used[d];
		ret_row[j] = d;
	}
	*ret_count = (uint32_t)count;
	r->pair_count += count;
	r->row_count++;
}

void retrieval_block(struct retrieval *r, const struct retrieval_queries *q,
		     uint32_t *ret_demonstrations, uint32_t *ret_counts)
{
	if (!r->pool_size || !r->shots) {
		memset(ret_counts, 0, q->n * sizeof(*ret_counts));
		r->row_count += q->n;
		return;
	}
	for (size_t begin = 0; begin < q->n; begin += TILE) {
		size_t n = q->n - begin < TILE ? q->n - begin : TILE;
		tile_product(r, q->vectors + begin * r->dimensions, n, r->cosine);
		for (size_t i = 0; i < n; i++) {
			size_t row = begin + i;
			query_serve(r, r->cosine + i * r->pool_size, q->sample_nos[row],
				    query_probability(r, q, row),
				    ret_demonstrations + row * r->shots, &ret_counts[row]);
		}
	}
}

struct retrieval_summary retrieval_summary(const struct retrieval *r)
{
	double pairs = r->pair_count ? (double)r->pair_count : 1;
	return (struct retrieval_summary){
	    .row_count = r->row_count,
	    .cosine_mean = r->cosine_sum / pairs,
	    .cosine_mean_uncapped = r->uncapped_sum / pairs,
	    .hub_share = r->row_count ? (double)r->taken_max / (double)r->row_count : 0,
	};
}
