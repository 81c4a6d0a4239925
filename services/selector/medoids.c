#include "selector/medoids.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATE_SHARE 0.10
#define CANDIDATES_PER_PLACE 3
#define PASSES_MAX 20
#define DISTANCE_FAR 4.0f /* more than any cosine distance */
#define GAIN_MIN 1e-6

size_t medoids_quota(size_t pool, size_t classes, size_t k)
{
	assert(k < classes);
	return pool / classes + (k < pool % classes);
}

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t medoids_candidate_count(size_t available, size_t quota)
{
	size_t count = (size_t)ceil(CANDIDATE_SHARE * (double)available);
	if (count < CANDIDATES_PER_PLACE * quota)
		count = CANDIDATES_PER_PLACE * quota;
	return at_most(at_most(count, available), MEDOIDS_CANDIDATES_MAX);
}

void medoids_normalise(float *vectors, size_t n, size_t dimensions, const float *centre)
{
	for (size_t i = 0; i < n; i++) {
		float *row = vectors + i * dimensions;
		double square = 0;
		for (size_t d = 0; d < dimensions; d++) {
			if (centre)
				row[d] -= centre[d];
			square += (double)row[d] * row[d];
		}
		double length = sqrt(square);
		for (size_t d = 0; d < dimensions; d++)
			row[d] = length > 1e-12 ? (float)(row[d] / length) : 0;
	}
}

/* State of the search; n points, k medoids. */
struct search {
	size_t n, k;
	float *distance;  /* [n × n] */
	uint32_t *medoid; /* [k] */
	bool *chosen;	  /* [n] */
	uint32_t *near;	  /* [n] place of the nearest medoid */
	float *first;	  /* [n] distance to it */
	float *second;	  /* [n] distance to the one after it */
	double *gain;	  /* [k] change of the cost when the medoid goes */
	double *trial;	  /* [k] */
};

static void search_done(struct search *s)
{
	free(s->distance);
	free(s->medoid);
	free(s->chosen);
	free(s->near);
	free(s->first);
	free(s->second);
	free(s->gain);
	free(s->trial);
}

static enum err search_init(struct search *s, const float *vectors, size_t n, size_t dimensions,
			    size_t k)
{
	*s = (struct search){
	    .n = n,
	    .k = k,
	    .distance = malloc(n * n * sizeof(*s->distance)),
	    .medoid = calloc(k, sizeof(*s->medoid)),
	    .chosen = calloc(n, sizeof(*s->chosen)),
	    .near = calloc(n, sizeof(*s->near)),
	    .first = calloc(n, sizeof(*s->first)),
	    .second = calloc(n, sizeof(*s->second)),
	    .gain = calloc(k, sizeof(*s->gain)),
	    .trial = calloc(k, sizeof(*s->trial)),
	};
	if (!s->distance || !s->medoid || !s->chosen || !s->near || !s->first || !s->second ||
	    !s->gain || !s->trial) {
		search_done(s);
		return ERR_NO_MEMORY;
	}
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)dimensions, 1,
		    vectors, (int)dimensions, vectors, (int)dimensions, 0, s->distance, (int)n);
	for (size_t i = 0; i < n; i++) {
		/* The upper half is mirrored, so that rounding can't make d(i,j) != d(j,i). */
		for (size_t j = 0; j < i; j++)
			s->distance[i * n + j] = s->distance[j * n + i];
		for (size_t j = i; j < n; j++)
			s->distance[i * n + j] = i == j ? 0 : 1 - s->distance[i * n + j];
	}
	return ERR_OK;
}

/* Takes the medoids one by one, each the point that lowers the cost most. */
static void search_build(struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->first[i] = DISTANCE_FAR;
	for (size_t place = 0; place < s->k; place++) {
		size_t best = s->n;
		double best_gain = -1;
		for (size_t j = 0; j < s->n; j++) {
			const float *d = s->distance + j * s->n;
			double gain = 0;
			if (s->chosen[j])
				continue;
			for (size_t i = 0; i < s->n; i++)
				gain += d[i] < s->first[i] ? (double)(s->first[i] - d[i]) : 0;
			if (gain > best_gain) {
				best_gain = gain;
				best = j;
			}
		}
		s->medoid[place] = (uint32_t)best;
		s->chosen[best] = true;
		for (size_t i = 0; i < s->n; i++)
			s->first[i] = fminf(s->first[i], s->distance[best * s->n + i]);
	}
}

/* Nearest and second nearest medoid of every point, and what each medoid is worth. */
static void search_assign(struct search *s)
{
	memset(s->gain, 0, s->k * sizeof(*s->gain));
	for (size_t i = 0; i < s->n; i++) {
		float first = DISTANCE_FAR, second = DISTANCE_FAR;
		uint32_t near = 0;
		for (size_t m = 0; m < s->k; m++) {
			float d = s->distance[s->medoid[m] * s->n + i];
			if (d < first) {
				second = first;
				first = d;
				near = (uint32_t)m;
			} else if (d < second) {
				second = d;
			}
		}
		s->near[i] = near;
		s->first[i] = first;
		s->second[i] = second;
		s->gain[near] += (double)second - first;
	}
}

/* Change of the cost when point `j` replaces the best medoid for it. */
static double swap_cost(struct search *s, size_t j, size_t *ret_place)
{
	const float *distance = s->distance + j * s->n;
	double shared = 0;
	memcpy(s->trial, s->gain, s->k * sizeof(*s->trial));
	for (size_t i = 0; i < s->n; i++) {
		float d = distance[i];
		if (d < s->first[i]) {
			shared += (double)d - s->first[i];
			s->trial[s->near[i]] += (double)s->first[i] - s->second[i];
		} else if (d < s->second[i]) {
			s->trial[s->near[i]] += (double)d - s->second[i];
		}
	}
	size_t best = 0;
	for (size_t m = 1; m < s->k; m++)
		if (s->trial[m] < s->trial[best])
			best = m;
	*ret_place = best;
	return shared + s->trial[best];
}

/* Swaps eagerly until a whole pass over the points finds nothing better. */
static void search_swap(struct search *s)
{
	size_t quiet = 0;
	search_assign(s);
	for (size_t step = 0; step < PASSES_MAX * s->n && quiet < s->n; step++) {
		size_t j = step % s->n, place;
		quiet++;
		if (s->chosen[j] || swap_cost(s, j, &place) > -GAIN_MIN)
			continue;
		s->chosen[s->medoid[place]] = false;
		s->chosen[j] = true;
		s->medoid[place] = (uint32_t)j;
		search_assign(s);
		quiet = 0;
	}
}

enum err medoids_pick(const float *vectors, size_t n, size_t dimensions, size_t k,
		      uint32_t *ret_members)
{
	assert(n <= MEDOIDS_CANDIDATES_MAX);
	if (k >= n) {
		for (size_t i = 0; i < n; i++)
			ret_members[i] = (uint32_t)i;
		return ERR_OK;
	}
	if (k == 0)
		return ERR_OK;
	struct search s;
	enum err err = search_init(&s, vectors, n, dimensions, k);
	if (err)
		return err;
	search_build(&s);
	search_swap(&s);
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		if (s.chosen[i])
			ret_members[count++] = (uint32_t)i;
	assert(count == k);
	search_done(&s);
	return ERR_OK;
}

double medoids_cost(const float *vectors, size_t n, size_t dimensions, const uint32_t *members,
		    size_t k)
{
	double cost = 0;
	for (size_t i = 0; i < n; i++) {
		double best = DISTANCE_FAR;
		for (size_t m = 0; m < k; m++) {
			double dot = 0;
			for (size_t d = 0; d < dimensions; d++)
				dot += (double)vectors[i * dimensions + d] *
				       vectors[members[m] * dimensions + d];
			best = fmin(best, members[m] == i ? 0 : 1 - dot);
		}
		cost += best;
	}
	return cost;
}
