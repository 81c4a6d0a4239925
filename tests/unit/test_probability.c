/* libs: llm */
#include "llm/probability.h"

#include "base/rng.h"

#include <jansson.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct answer_labels *labels_of(char **names, size_t count, char **aliases)
{
	Freeal__Label items[8], *list[8];
	Freeal__Project p = FREEAL__PROJECT__INIT;
	struct answer_labels *l = NULL;
	for (size_t i = 0; i < count; i++) {
		freeal__label__init(&items[i]);
		items[i].name = names[i];
		if (aliases && aliases[i]) {
			items[i].aliases = &aliases[i];
			items[i].n_aliases = 1;
		}
		list[i] = &items[i];
	}
	p.labels = list;
	p.n_labels = count;
	assert_int_equal(answer_labels_new(&p, &l), ERR_OK);
	return l;
}

/* "chosen:p alternative:p ..." for each token; `_` stands for a blank. */
static json_t *tokens_of(const char *const *tokens, size_t count)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		char text[512];
		json_t *top = json_array(), *first = NULL;
		assert_true(strlen(tokens[i]) < sizeof text);
		strcpy(text, tokens[i]);
		for (char *save, *at = strtok_r(text, " ", &save); at;
		     at = strtok_r(NULL, " ", &save)) {
			char *colon = strrchr(at, ':');
			*colon = '\0';
			for (char *c = at; *c; c++)
				*c = *c == '_' ? ' ' : *c;
			json_t *one = json_pack("{s:s, s:f}", "token", at, "logprob",
						log(strtod(colon + 1, NULL)));
			json_array_append(top, one);
			if (!first)
				first = json_deep_copy(one);
			json_decref(one);
		}
		json_object_set_new(first, "top_logprobs", top);
		json_array_append_new(list, first);
	}
	return list;
}

static void test_table(void **state)
{
	(void)state;
	static char *names[] = {"negative", "positive", "positive review", "neutral"};
	static char *aliases[] = {"bad", NULL, NULL, NULL};
	struct answer_labels *l = labels_of(names, 4, aliases);
	static const struct {
		const char *content;
		size_t label; /* where it begins */
		const char *tokens[8];
		double expected[4], seen; /* before scaling; seen 0: it can't be read */
	} rows[] = {
	    /* Alternatives count by what they begin; other words don't. */
	    {"negative", 0, {"negative:0.6 neutral:0.2 bad:0.1 Hello:0.1"}, {0.7, 0, 0, 0.2}, 0.9},
	    {"Negative.",
	     0,
	     {"Neg:0.5 _neu:0.25 NEG:0.125 x:0.1", "ative:1", ".:1"},
	     {0.625, 0, 0, 0.25},
	     0.875},
	    /* What may still become several is shared. */
	    {"bad", 0, {"bad:0.5 ne:0.4 n:0.1"}, {0.75, 0, 0, 0.25}, 1},
	    /* One label begins another: the next token tells. */
	    {"positive",
	     0,
	     {"positive:0.8 negative:0.2", "<|end|>:0.75 _review:0.25"},
	     {0.2, 0.6, 0.2, 0},
	     1},
	    {"positive review",
	     0,
	     {"positive:0.8 bad:0.2", "_rev:0.5 .:0.25 ation:0.25", "iew:1"},
	     {0.2, 0.2, 0.4, 0},
	     0.8},
	    {"positive", 0, {"positive:0.8 negative:0.2"}, {0.2, 0.8, 0, 0}, 1},
	    /* A path that leaves the spelling loses what it leaves. */
	    {"neutral", 0, {"neu:0.5 neg:0.5", "tral:0.5 tron:0.5"}, {0.5, 0, 0, 0.25}, 0.75},
	    /* The label's place may be anywhere, also within a token. */
	    {"So.\nLabel: bad",
	     11,
	     {"So:1", ".\n:1", "Label:1", ":_bad:0.5 :_neutral:0.25 x:0.25"},
	     {0.5, 0, 0, 0.25},
	     0.75},
	    {"{\"label\": \"bad\"}",
	     11,
	     {"{\":1", "label:1", "\"::1", "_\":0.9 _:0.1", "bad:0.5 neutral:0.5", "\"}:1"},
	     {0.5, 0, 0, 0.5},
	     1},
	    {"{\"label\": \"bad\"}",
	     11,
	     {"{\"label\"::1", "_\"bad:0.5 _\"neutral:0.25 _[:0.25", "\"}:1"},
	     {0.5, 0, 0, 0.25},
	     0.75},
	    /* Reasoning before the content, a mark behind it. */
	    {"bad",
	     0,
	     {"bad:0.9", "?</think>:1", "bad:0.5 neutral:0.5", "<|end|>:1"},
	     {0.5, 0, 0, 0.5},
	     1},
	    {"other", 0, {"other:0.5 bad:0.5"}, {0}, 0},
	    {"posit", 0, {"posit:0.5 bad:0.5"}, {0}, 0},
	    {"bad", 0, {"good:1"}, {0}, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t count = 0;
		while (rows[i].tokens[count])
			count++;
		json_t *tokens = tokens_of(rows[i].tokens, count);
		struct reply_choice c = {.content = rows[i].content,
					 .content_size = strlen(rows[i].content),
					 .logprobs = tokens};
		float p[4];
		double seen = 0;
		bool read = probability_read(l, &c, c.content + rows[i].label, p, &seen);
		if (read != (rows[i].seen > 0) || fabs(seen - rows[i].seen) > 1e-6)
			fail_msg("\"%s\" (row %zu): seen %f", rows[i].content, i, seen);
		for (size_t k = 0; read && k < 4; k++) {
			if (fabs((double)p[k] * seen - rows[i].expected[k]) > 1e-6)
				fail_msg("\"%s\" (row %zu): %zu has %f", rows[i].content, i, k,
					 (double)p[k] * seen);
		}
		json_decref(tokens);
	}
	answer_labels_free(l);
}

/*
 * A language model over pieces of one or two letters, whose probabilities are known: each label's
 * is the sum over all ways to spell it and then to end, found by trying all.
 */
#define PIECES 7
static const char *const pieces[PIECES] = {"a", "b", "ab", "ba", "c", "bc", ""};

/* Of piece k behind a text; "" ends. */
static double next_probability(uint64_t seed, const char *text, size_t k)
{
	double sum = 0, one = 0;
	for (size_t i = 0; i < PIECES; i++) {
		uint64_t h = hash_bytes(seed + i, text, strlen(text));
		double w = (double)(h >> 40) + 1;
		sum += w;
		one = i == k ? w : one;
	}
	return one / sum;
}

static double spelled_probability(uint64_t seed, const char *name, size_t at)
{
	char text[16];
	memcpy(text, name, at);
	text[at] = '\0';
	if (!name[at])
		return next_probability(seed, text, PIECES - 1);
	double sum = 0;
	for (size_t k = 0; k + 1 < PIECES; k++) {
		size_t size = strlen(pieces[k]);
		if (strncmp(name + at, pieces[k], size) == 0)
			sum += next_probability(seed, text, k) *
			       spelled_probability(seed, name, at + size);
	}
	return sum;
}

/* The tokens of an answer that spells `name` by its longest pieces, and the end. */
static json_t *model_tokens(uint64_t seed, const char *name)
{
	json_t *list = json_array();
	char text[16] = "";
	for (bool end = false; !end;) {
		size_t at = strlen(text), best = PIECES - 1;
		json_t *top = json_array();
		for (size_t k = 0; k < PIECES; k++) {
			json_array_append_new(top,
					      json_pack("{s:s, s:f}", "token", pieces[k], "logprob",
							log(next_probability(seed, text, k))));
			if (name[at] && strncmp(name + at, pieces[k], strlen(pieces[k])) == 0 &&
			    strlen(pieces[k]) > strlen(pieces[best]))
				best = k;
		}
		json_t *token = json_deep_copy(json_array_get(top, best));
		json_object_set_new(token, "top_logprobs", top);
		json_array_append_new(list, token);
		end = best == PIECES - 1;
		strcat(text, pieces[best]);
	}
	return list;
}

/* Where labels part at the first token and have one spelling, the walk is exact but for what an
 * alternative may still become: no label gets less than its probability, and the one that was
 * answered gets what its path has. */
static void test_brute_force(void **state)
{
	(void)state;
	static char *names[] = {"ca", "bb", "ac"};
	struct answer_labels *l = labels_of(names, 3, NULL);
	for (uint64_t seed = 0; seed < 200; seed++) {
		for (size_t answered = 0; answered < 3; answered++) {
			json_t *tokens = model_tokens(seed * 100, names[answered]);
			struct reply_choice c = {.content = names[answered],
						 .content_size = strlen(names[answered]),
						 .logprobs = tokens};
			float p[3];
			double seen, exact[3], sum = 0;
			assert_true(probability_read(l, &c, c.content, p, &seen));
			for (size_t k = 0; k < 3; k++) {
				/* The end is not asked for where no longer name is possible. */
				exact[k] = 0;
				for (size_t j = 0; j + 1 < PIECES; j++) {
					size_t size = strlen(pieces[j]);
					if (strncmp(names[k], pieces[j], size) != 0)
						continue;
					char text[16];
					double path = next_probability(seed * 100, "", j);
					memcpy(text, names[k], size);
					text[size] = '\0';
					double rest = names[k][size] ? 0 : 1;
					for (size_t m = 0; names[k][size] && m + 1 < PIECES; m++) {
						if (strcmp(names[k] + size, pieces[m]) == 0)
							rest +=
							    next_probability(seed * 100, text, m);
					}
					exact[k] += k == answered ? path * rest : path;
				}
				sum += exact[k];
				assert_true((double)p[k] * seen + 1e-6 >=
					    spelled_probability(seed * 100, names[k], 0));
			}
			for (size_t k = 0; k < 3; k++)
				assert_true(fabs((double)p[k] * seen - exact[k]) < 1e-5);
			assert_true(fabs(sum - seen) < 1e-5);
			json_decref(tokens);
		}
	}
	answer_labels_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_brute_force),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
