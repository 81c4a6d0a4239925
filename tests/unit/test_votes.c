/* libs: llm */
#include "llm/votes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void vote(struct votes *v, const char *classes, const float *probabilities)
{
	struct answer a = {.reason = *classes ? "" : "not_a_label"};
	for (; *classes; classes++)
		a.class_ids[a.count++] = (uint32_t)(*classes - '0');
	char words[32];
	int size = snprintf(words, sizeof words, "answer %u", v->count);
	const struct votes_words w = {words, (size_t)size, NULL, 0};
	assert_int_equal(votes_add(v, &a, probabilities, &w), ERR_OK);
}

static void test_majority(void **state)
{
	(void)state;
	static const struct {
		const char *answers; /* with commas */
		int32_t winner;
		uint32_t usable;
		const char *words; /* of the first answer that named the winner */
	} rows[] = {
	    {"1", 1, 1, "answer 0"},
	    {"1,0,0", 0, 3, "answer 1"},
	    {"1,0", 1, 2, "answer 0"}, /* a tie: the earliest */
	    {",,2", 2, 1, "answer 2"}, /* unusable ones count as none */
	    {",,", -1, 0, NULL},
	    {"01,1,0,02", 0, 4, "answer 0"}, /* 0: 1/2 + 1 + 1/2 */
	    {"012,012,012,2", 2, 4, "answer 0"},
	    {"012,2,0,1", 0, 4, "answer 0"}, /* 4/3 each, in whatever order it was added */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct votes v = {0};
		uint32_t count = 0;
		for (const char *at = rows[i].answers;; count++) {
			size_t size = strcspn(at, ",");
			char one[8] = "";
			memcpy(one, at, size);
			vote(&v, one, NULL);
			at += size;
			if (!*at++) {
				count++;
				break;
			}
		}
		assert_int_equal(v.count, count);
		assert_int_equal(v.usable, rows[i].usable);
		const struct votes_class *winner = votes_winner(&v);
		assert_int_equal(winner ? (int32_t)winner->class_id : -1, rows[i].winner);
		if (winner)
			assert_string_equal(winner->words, rows[i].words);
		votes_done(&v);
	}
}

static void test_probability_breaks_ties(void **state)
{
	(void)state;
	static const float sure[] = {0.1f, 0.9f}, unsure[] = {0.6f, 0.4f};
	struct votes v = {0};
	vote(&v, "0", unsure);
	vote(&v, "1", sure);
	assert_int_equal(votes_winner(&v)->class_id, 1);
	vote(&v, "0", unsure);
	assert_int_equal(votes_winner(&v)->class_id, 0);
	vote(&v, "", NULL);
	float shares[3];
	votes_shares(&v, 3, shares);
	assert_true(shares[0] > 0.66f && shares[0] < 0.67f && shares[1] > 0.33f && shares[2] == 0);
	votes_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_majority),
	    cmocka_unit_test(test_probability_breaks_ties),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
