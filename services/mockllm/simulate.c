#include "mockllm/simulate.h"

#include "base/rng.h"
#include "mockllm/index.h"
#include "mockllm/rows.h"
#include "mockllm/words.h"

#include <jansson.h>

#include <math.h>
#include <stdlib.h>

static const double INVALID_SHARE = 0.02;
static const double OFFSET_MAX = 40;

struct simulate {
	struct index *texts;
	struct index *labels;
	int32_t *gold; /* per text, a label number */
	int32_t *rival;
	double *margins;
	size_t capacity;
	double offset;	     /* the formula's `a` */
	double unsure_below; /* |margin| */
	uint64_t seed;
};

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

double simulate_probability(double offset, double margin, int has_demonstrations, double right)
{
	double gain = has_demonstrations ? 0.4 + 1.2 * (2 * right - 1) : 0;
	return sigmoid(offset + 1.5 * margin + gain);
}

double simulate_offset(const double *margins, size_t count, double share)
{
	double low = -OFFSET_MAX;
	double high = OFFSET_MAX;
	for (int step = 0; step < 60; step++) {
		double middle = (low + high) / 2;
		double sum = 0;
		for (size_t i = 0; i < count; i++)
			sum += sigmoid(middle + 1.5 * margins[i]);
		if (sum < share * (double)count)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

static enum err rows_reserve(struct simulate *s, size_t count)
{
	if (count <= s->capacity)
		return ERR_OK;
	size_t capacity = count * 2;
	int32_t *gold = realloc(s->gold, capacity * sizeof(*gold));
	if (gold)
		s->gold = gold;
	int32_t *rival = realloc(s->rival, capacity * sizeof(*rival));
	if (rival)
		s->rival = rival;
	double *margins = realloc(s->margins, capacity * sizeof(*margins));
	if (margins)
		s->margins = margins;
	if (!gold || !rival || !margins)
		return ERR_NO_MEMORY;
	s->capacity = capacity;
	return ERR_OK;
}

static enum err row_add(void *context, const json_t *row, struct err_msg *msg)
{
	struct simulate *s = context;
	struct chat_text text;
	struct chat_text gold;
	struct chat_text rival;
	int32_t number;
	bool is_new;
	bool ignored;
	const json_t *margin = json_object_get(row, "margin");
	enum err e = rows_string(row, "text", &text, msg);
	if (!e)
		e = rows_string(row, "gold", &gold, msg);
	if (!e)
		e = rows_string(row, "rival", &rival, msg);
	if (!e && !(json_is_number(margin) && isfinite(json_number_value(margin))))
		e = err_set(msg, ERR_INVALID, "'margin' must be a number");
	if (e)
		return e;
	e = index_add(s->texts, text, &number, &is_new);
	if (!e && is_new)
		e = rows_reserve(s, (size_t)number + 1);
	/* The first of equal texts counts. */
	if (!e && is_new)
		e = index_add(s->labels, gold, &s->gold[number], &ignored);
	if (!e && is_new)
		e = index_add(s->labels, rival, &s->rival[number], &ignored);
	if (e)
		return err_set(msg, e, "no room for the row");
	if (is_new)
		s->margins[number] = json_number_value(margin);
	return ERR_OK;
}

static int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The |margin| below which the wanted share of the texts lies. */
static enum err unsure_find(struct simulate *s, double share)
{
	size_t count = (size_t)index_count(s->texts);
	size_t below = (size_t)(share * (double)count + 0.5);
	double *sizes = calloc(count, sizeof(*sizes));
	if (!sizes)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++)
		sizes[i] = fabs(s->margins[i]);
	qsort(sizes, count, sizeof(*sizes), double_compare);
	s->unsure_below = below < count ? sizes[below] : INFINITY;
	free(sizes);
	return ERR_OK;
}

enum err simulate_new(const char *path, double accuracy, double unsure, uint64_t seed,
		      struct simulate **ret_simulate, struct err_msg *msg)
{
	struct simulate *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	s->seed = seed;
	double share = accuracy / (1 - INVALID_SHARE);
	enum err e = index_new(&s->texts);
	if (!e)
		e = index_new(&s->labels);
	if (e)
		(void)err_set(msg, e, "out of memory");
	else if (!(share > 0 && share < 1))
		e = err_set(msg, ERR_INVALID, "the accuracy must lie between 0 and %.2f",
			    1 - INVALID_SHARE);
	if (!e)
		e = rows_read(path, row_add, s, msg);
	if (!e && index_count(s->texts) == 0)
		e = err_set(msg, ERR_INVALID, "%s: no text in it", path);
	if (!e) {
		e = unsure_find(s, unsure);
		if (e)
			(void)err_set(msg, e, "out of memory");
	}
	if (e) {
		simulate_free(s);
		return e;
	}
	s->offset = simulate_offset(s->margins, (size_t)index_count(s->texts), share);
	*ret_simulate = s;
	return ERR_OK;
}

void simulate_free(struct simulate *s)
{
	if (!s)
		return;
	index_free(s->texts);
	index_free(s->labels);
	free(s->gold);
	free(s->rival);
	free(s->margins);
	free(s);
}

/* 1 where its label is the gold one, 0 where not, 0.5 where it is not in the file. */
static double turn_right(const struct simulate *s, const struct chat_turn *turn)
{
	int32_t number = index_find(s->texts, turn->text);
	if (number == INDEX_NONE)
		return 0.5;
	return chat_text_equal(index_text(s->labels, s->gold[number]), turn->label) ? 1 : 0;
}

/* r of the formula; the plain share where no demonstration shares a word with the text. */
static double turns_right(const struct simulate *s, const struct chat_request *request,
			  struct chat_text labelled)
{
	struct words text;
	struct words other;
	double weights = 0;
	double weighted = 0;
	double plain = 0;
	words_split(&text, labelled.data, labelled.size);
	for (size_t i = 0; i < request->turn_count; i++) {
		const struct chat_turn *turn = &request->turns[i];
		double right = turn_right(s, turn);
		words_split(&other, turn->text.data, turn->text.size);
		double weight = words_cosine(&text, &other);
		weights += weight;
		weighted += weight * right;
		plain += right;
	}
	return weights > 0 ? weighted / weights : plain / (double)request->turn_count;
}

static struct rng prompt_rng(const struct simulate *s, const struct chat_request *request,
			     struct chat_text text, uint64_t draw)
{
	uint64_t hash = hash_bytes(s->seed, text.data, text.size);
	for (size_t i = 0; i < request->turn_count; i++) {
		const struct chat_turn *turn = &request->turns[i];
		hash = hash_bytes(hash, turn->text.data, turn->text.size);
		hash = hash_bytes(hash, turn->label.data, turn->label.size);
	}
	return rng_make(draw ? hash_mix(hash, draw) : hash);
}

enum err simulate_guess(const struct simulate *s, const struct chat_request *request,
			struct chat_text text, uint64_t draw, struct guess *ret_guess,
			struct err_msg *msg)
{
	int32_t number = index_find(s->texts, text);
	if (number == INDEX_NONE)
		return err_set(msg, ERR_INVALID, "this text is not in the --margins file");
	bool has_turns = request->turn_count > 0;
	double right = has_turns ? turns_right(s, request, text) : 0;
	double probability = simulate_probability(s->offset, s->margins[number], has_turns, right);
	struct rng rng = prompt_rng(s, request, text, draw);
	bool invalid = rng_double(&rng) < INVALID_SHARE;
	bool correct = rng_double(&rng) < probability;
	struct chat_text unknown = chat_text_of("unknown");
	struct chat_text gold = index_text(s->labels, s->gold[number]);
	struct chat_text rival = index_text(s->labels, s->rival[number]);
	double gold_p = (1 - INVALID_SHARE) * probability;
	double rival_p = (1 - INVALID_SHARE) * (1 - probability);
	if (invalid)
		*ret_guess =
		    (struct guess){{unknown, gold, rival}, {INVALID_SHARE, gold_p, rival_p}, 3, 1};
	else if (correct)
		*ret_guess =
		    (struct guess){{gold, rival, unknown}, {gold_p, rival_p, INVALID_SHARE}, 3, 1};
	else
		*ret_guess =
		    (struct guess){{rival, gold, unknown}, {rival_p, gold_p, INVALID_SHARE}, 3, 1};
	if (!invalid && fabs(s->margins[number]) < s->unsure_below)
		ret_guess->likely = 2;
	return ERR_OK;
}
