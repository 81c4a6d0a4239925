/* libs: tokenizer base */
/* Merging of short and long words against the plain way: the best pair of all, again and again. */
#include "tokenizer/merges.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LETTERS 4
#define PAIRS 200
#define WORD_MAX 600

/* Ids of letters, then one for each merge of two earlier ones: as a training makes them. */
static size_t make_merges(struct rng *r, struct merge made[PAIRS], struct merges *m)
{
	size_t count = 0;
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct merge next = {.left = (uint32_t)rng_below(r, LETTERS + count / 2),
				     .right = (uint32_t)rng_below(r, LETTERS + count / 2),
				     .rank = i,
				     .id = LETTERS + (uint32_t)count};
		size_t k = 0;
		while (k < count && (made[k].left != next.left || made[k].right != next.right))
			k++;
		if (k < count)
			continue;
		made[count++] = next;
		assert_int_equal(merges_add(m, next), ERR_OK);
	}
	return count;
}

static size_t apply_plainly(const struct merge *made, size_t made_count, uint32_t *ids,
			    size_t count)
{
	for (size_t k = 0; k < made_count;) {
		size_t i = 0;
		while (i + 1 < count && (ids[i] != made[k].left || ids[i + 1] != made[k].right))
			i++;
		if (i + 1 >= count) {
			k++;
			continue;
		}
		ids[i] = made[k].id;
		memmove(ids + i + 1, ids + i + 2, (count - i - 2) * sizeof *ids);
		count--;
		k = 0;
	}
	return count;
}

static void test_against_plain(void **state)
{
	(void)state;
	struct rng r = rng_make(5);
	for (size_t trial = 0; trial < 300; trial++) {
		struct merge made[PAIRS];
		struct merges m = {.count = 0};
		uint32_t ours[WORD_MAX], plain[WORD_MAX];
		size_t made_count = make_merges(&r, made, &m);
		size_t count = rng_below(&r, trial % 3 ? 60 : WORD_MAX), ours_count;
		for (size_t i = 0; i < count; i++)
			ours[i] = plain[i] = (uint32_t)rng_below(&r, LETTERS);
		assert_int_equal(merges_apply(&m, ours, count, &ours_count), ERR_OK);
		assert_int_equal(ours_count, apply_plainly(made, made_count, plain, count));
		assert_memory_equal(ours, plain, ours_count * sizeof *ours);
		merges_done(&m);
	}
}

static void test_none(void **state)
{
	(void)state;
	struct merges m = {.count = 0};
	uint32_t ids[100] = {1, 2, 3};
	size_t count;
	for (size_t size = 0; size <= 100; size += 20) {
		assert_int_equal(merges_apply(&m, ids, size, &count), ERR_OK);
		assert_int_equal(count, size);
	}
}

/* The last rank of a pair counts. */
static void test_twice(void **state)
{
	(void)state;
	static const struct merge made[] = {{1, 2, 0, 10}, {2, 3, 1, 11}, {1, 2, 2, 10}};
	struct merges m = {.count = 0};
	uint32_t ids[] = {1, 2, 3};
	size_t count;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(merges_add(&m, made[i]), ERR_OK);
	assert_int_equal(merges_apply(&m, ids, 3, &count), ERR_OK);
	assert_int_equal(count, 2);
	assert_int_equal(ids[0], 1);
	assert_int_equal(ids[1], 11);
	merges_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_plain),
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
