/* libs: freeal-selector-lib */
#include "base/rng.h"
#include "selector/retrieval.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "../golden/selector.inc"
#pragma GCC diagnostic pop

#define DIMENSIONS 8
#define POOL 15

/* The golden pool is every fourth of 60 vectors. */
static void pool_make(struct retrieval_config *config, float *rows, uint64_t *nos,
		      uint32_t *classes)
{
	for (size_t d = 0; d < POOL; d++) {
		memcpy(rows + d * DIMENSIONS, vectors + 4 * d * DIMENSIONS,
		       DIMENSIONS * sizeof(*rows));
		nos[d] = 4 * d;
		classes[d] = (uint32_t)(d % config->class_count);
	}
	config->pool_size = POOL;
	config->dimensions = DIMENSIONS;
	config->vectors = rows;
	config->sample_nos = nos;
	config->classes = classes;
	config->centre = vectors_centre;
}

static void same_as_brute_force(void **state)
{
	(void)state;
	float pool[POOL * DIMENSIONS];
	uint64_t nos[POOL];
	uint32_t classes[POOL], nearest[4], count;
	struct retrieval_config config = {.class_count = 3, .shots = 4, .query_count = 60};
	pool_make(&config, pool, nos, classes);
	struct retrieval *r;
	assert_int_equal(retrieval_new(&config, &r), ERR_OK);
	for (size_t i = 0; i < POOL; i++) {
		uint64_t no = 4 * i + 1;
		struct retrieval_queries q = {1, vectors + no * DIMENSIONS, &no, NULL, 0};
		retrieval_block(r, &q, nearest, &count);
		assert_int_equal(count, 4);
		assert_memory_equal(nearest, vectors_nearest + 4 * i, sizeof(nearest));
	}
	struct retrieval_summary s = retrieval_summary(r);
	assert_int_equal(s.row_count, POOL);
	assert_float_equal(s.cosine_mean, s.cosine_mean_uncapped, 1e-9);
	retrieval_free(r);
}

static void never_its_own_demonstration(void **state)
{
	(void)state;
	float pool[POOL * DIMENSIONS];
	uint64_t nos[POOL];
	uint32_t classes[POOL], nearest[20], count;
	struct retrieval_config config = {.class_count = 3, .shots = 20, .query_count = 60};
	pool_make(&config, pool, nos, classes);
	nos[3] = RETRIEVAL_NO_SAMPLE;
	struct retrieval *r;
	assert_int_equal(retrieval_new(&config, &r), ERR_OK);
	for (uint64_t no = 0; no < 60; no++) {
		struct retrieval_queries q = {1, vectors + no * DIMENSIONS, &no, NULL, 0};
		retrieval_block(r, &q, nearest, &count);
		assert_int_equal(count, no % 4 == 0 && no != 12 ? POOL - 1 : POOL);
		for (size_t j = 0; j < count; j++)
			assert_true(nos[nearest[j]] != no);
	}
	retrieval_free(r);
}

static void likeliest_classes_interleaved(void **state)
{
	(void)state;
	float pool[POOL * DIMENSIONS];
	uint64_t nos[POOL], no = 1;
	uint32_t classes[POOL], nearest[10], count;
	struct retrieval_config config = {.class_count = 5, .shots = 7, .query_count = 1};
	pool_make(&config, pool, nos, classes);
	for (size_t d = 0; d < POOL; d++)
		if (classes[d] == 2)
			classes[d] = 1; /* class 2 has none, class 1 has six */
	const float p[5] = {0.3f, 0.25f, 0.44f, 0.01f, 0};
	struct retrieval_queries q = {1, vectors + DIMENSIONS, &no, p, 1};
	struct retrieval *r;
	assert_int_equal(retrieval_new(&config, &r), ERR_OK);
	retrieval_block(r, &q, nearest, &count);
	assert_int_equal(count, 7);
	size_t by_class[5] = {0};
	for (size_t j = 0; j < count; j++)
		by_class[classes[nearest[j]]]++;
	assert_int_equal(by_class[0], 3);
	assert_int_equal(by_class[1], 2);
	assert_int_equal(by_class[3], 2);
	for (size_t turn = 0; turn < 2; turn++) { /* each turn has each class once */
		size_t seen = 0;
		for (size_t j = 0; j < 3; j++)
			seen |= 1u << classes[nearest[3 * turn + j]];
		assert_int_equal(seen, 1 << 0 | 1 << 1 | 1 << 3);
	}
	retrieval_free(r);
	config.shots = 10; /* more than the likeliest three classes have by share */
	assert_int_equal(retrieval_new(&config, &r), ERR_OK);
	retrieval_block(r, &q, nearest, &count);
	assert_int_equal(count, 10);
	retrieval_free(r);
}

/* Newcomers, which no model has judged, come behind those that are asked again. */
static void without_probabilities_plain_nearest(void **state)
{
	(void)state;
	float pool[POOL * DIMENSIONS], two[2 * DIMENSIONS];
	uint64_t nos[POOL], queries[2] = {1, 61};
	uint32_t classes[POOL], mixed[2 * 6], counts[2], alone[6], count;
	struct retrieval_config config = {.class_count = 3, .shots = 6, .query_count = 100};
	const float p[3] = {0, 0, 1};
	pool_make(&config, pool, nos, classes);
	memcpy(two, vectors + DIMENSIONS, sizeof pool[0] * DIMENSIONS);
	memcpy(two + DIMENSIONS, vectors + DIMENSIONS, sizeof pool[0] * DIMENSIONS);
	struct retrieval *r;
	assert_int_equal(retrieval_new(&config, &r), ERR_OK);
	struct retrieval_queries q = {2, two, queries, p, 1};
	retrieval_block(r, &q, mixed, counts);
	q = (struct retrieval_queries){1, two, queries, p, 1};
	retrieval_block(r, &q, alone, &count);
	assert_memory_equal(mixed, alone, sizeof alone);
	q = (struct retrieval_queries){1, two, queries, NULL, 0};
	retrieval_block(r, &q, alone, &count);
	assert_memory_equal(mixed + 6, alone, sizeof alone);
	assert_memory_not_equal(mixed, alone, sizeof alone);
	retrieval_free(r);
}

#define MANY 3000
#define HUB_POOL 40
#define HUB_DIMENSIONS 16

struct crowd {
	float pool[HUB_POOL * HUB_DIMENSIONS], vectors[MANY * HUB_DIMENSIONS];
	uint64_t pool_nos[HUB_POOL], nos[MANY];
	uint32_t classes[HUB_POOL];
};

/* Queries lean towards demonstration 0, which is a hub without a cap. */
static struct crowd *crowd_make(struct retrieval_config *config)
{
	struct crowd *c = malloc(sizeof(*c));
	struct rng rng = rng_make(7);
	assert_non_null(c);
	for (size_t i = 0; i < HUB_POOL * HUB_DIMENSIONS; i++)
		c->pool[i] = (float)rng_normal(&rng);
	for (size_t i = 0; i < MANY * HUB_DIMENSIONS; i++)
		c->vectors[i] = (float)rng_normal(&rng) + 0.8f * c->pool[i % HUB_DIMENSIONS];
	for (size_t d = 0; d < HUB_POOL; d++) {
		c->pool_nos[d] = RETRIEVAL_NO_SAMPLE;
		c->classes[d] = d % 2;
	}
	for (size_t i = 0; i < MANY; i++)
		c->nos[i] = i;
	*config = (struct retrieval_config){
	    .pool_size = HUB_POOL,
	    .dimensions = HUB_DIMENSIONS,
	    .vectors = c->pool,
	    .sample_nos = c->pool_nos,
	    .classes = c->classes,
	    .class_count = 2,
	    .shots = 4,
	    .query_count = MANY,
	};
	return c;
}

static struct retrieval_summary crowd_run(const struct retrieval_config *config,
					  const struct crowd *c, size_t block, uint32_t *rows)
{
	struct retrieval *r;
	static uint32_t counts[MANY];
	assert_int_equal(retrieval_new(config, &r), ERR_OK);
	size_t n = retrieval_sample_max(r) < 1000 ? retrieval_sample_max(r) : 1000;
	struct retrieval_queries sample = {n, c->vectors, c->nos, NULL, 0};
	assert_int_equal(retrieval_price(r, &sample), ERR_OK);
	for (size_t i = 0; i < MANY; i += block) {
		struct retrieval_queries q = {MANY - i < block ? MANY - i : block,
					      c->vectors + i * HUB_DIMENSIONS, c->nos + i, NULL, 0};
		retrieval_block(r, &q, rows + i * config->shots, counts + i);
	}
	struct retrieval_summary s = retrieval_summary(r);
	retrieval_free(r);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(counts[i], config->shots);
	return s;
}

static void hubs_are_capped(void **state)
{
	(void)state;
	struct retrieval_config config;
	struct crowd *c = crowd_make(&config);
	static uint32_t rows[MANY * 4], again[MANY * 4];
	struct retrieval_summary s = crowd_run(&config, c, 700, rows);
	size_t used[HUB_POOL] = {0};
	for (size_t i = 0; i < MANY * 4; i++)
		used[rows[i]]++;
	for (size_t d = 0; d < HUB_POOL; d++)
		assert_true(used[d] <= MANY / 4); /* 2.5 · 4 / 40 */
	assert_true(s.hub_share <= 0.25);
	assert_true(used[0] >= MANY * 0.23); /* the hub is used up to its cap */
	assert_true(s.cosine_mean < s.cosine_mean_uncapped);
	assert_true(s.cosine_mean >= 0.90 * s.cosine_mean_uncapped);
	crowd_run(&config, c, 33, again);
	assert_memory_equal(rows, again, sizeof(rows));
	free(c);
}

static void degenerate(void **state)
{
	(void)state;
	struct retrieval_config config;
	struct crowd *c = crowd_make(&config);
	struct retrieval *r;
	uint32_t rows[8], counts[2] = {9, 9};
	struct retrieval_queries q = {2, c->vectors, c->nos, NULL, 0};
	config.pool_size = 0;
	assert_int_equal(retrieval_new(&config, &r), ERR_OK);
	assert_int_equal(retrieval_price(r, &q), ERR_OK);
	retrieval_block(r, &q, rows, counts);
	assert_int_equal(counts[0] + counts[1], 0);
	retrieval_free(r);

	config.pool_size = 3; /* fewer than the shots */
	config.query_count = 2;
	assert_int_equal(retrieval_new(&config, &r), ERR_OK);
	retrieval_block(r, &q, rows, counts);
	assert_int_equal(counts[0], 3);
	assert_int_equal(counts[1], 3);
	retrieval_free(r);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_as_brute_force),
	    cmocka_unit_test(never_its_own_demonstration),
	    cmocka_unit_test(likeliest_classes_interleaved),
	    cmocka_unit_test(without_probabilities_plain_nearest),
	    cmocka_unit_test(hubs_are_capped),
	    cmocka_unit_test(degenerate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
