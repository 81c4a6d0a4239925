#include "llm/votes.h"

#include "text/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights that differ by less are sums of the same shares in another order. */
#define WEIGHT_EPSILON 1e-9

void votes_done(struct votes *v)
{
	for (size_t i = 0; i < v->class_count; i++) {
		free(v->classes[i].words);
		free(v->classes[i].reasoning);
	}
	free(v->classes);
	*v = (struct votes){0};
}

static char *cut_copy(const char *text, size_t size, size_t *ret_size)
{
	if (!text)
		size = 0;
	if (size > ANSWER_BYTES_MAX)
		size = utf8_valid_size(text, ANSWER_BYTES_MAX);
	char *copy = malloc(size + 1);
	if (!copy)
		return NULL;
	if (size)
		memcpy(copy, text, size);
	copy[size] = '\0';
	*ret_size = size;
	return copy;
}

static struct votes_class *class_find(const struct votes *v, uint32_t class_id)
{
	for (size_t i = 0; i < v->class_count; i++) {
		if (v->classes[i].class_id == class_id)
			return &v->classes[i];
	}
	return NULL;
}

/* Adds the classes that an answer is the first to name. */
static enum err classes_add(struct votes *v, const struct answer *a,
			    const struct votes_words *words)
{
	size_t room = v->class_count + a->count;
	struct votes_class *grown = realloc(v->classes, room * sizeof *grown);
	if (!grown)
		return ERR_NO_MEMORY;
	v->classes = grown;
	for (uint32_t i = 0; i < a->count; i++) {
		if (class_find(v, a->class_ids[i]))
			continue;
		struct votes_class c = {.class_id = a->class_ids[i]};
		c.words = cut_copy(words->text, words->size, &c.words_size);
		c.reasoning = cut_copy(words->reasoning, words->reasoning_size, &c.reasoning_size);
		if (!c.words || !c.reasoning) {
			free(c.words);
			free(c.reasoning);
			return ERR_NO_MEMORY;
		}
		v->classes[v->class_count++] = c;
	}
	return ERR_OK;
}

enum err votes_add(struct votes *v, const struct answer *a, const float *probabilities,
		   const struct votes_words *words)
{
	enum err e = a->count > 0 ? classes_add(v, a, words) : ERR_OK;
	if (e)
		return e;
	v->count++;
	v->usable += a->count > 0;
	for (uint32_t i = 0; i < a->count; i++) {
		struct votes_class *c = class_find(v, a->class_ids[i]);
		c->weight += 1.0 / a->count;
		c->probability += probabilities ? (double)probabilities[c->class_id] : 0;
	}
	return ERR_OK;
}

const struct votes_class *votes_winner(const struct votes *v)
{
	const struct votes_class *best = NULL;
	for (size_t i = 0; i < v->class_count; i++) {
		const struct votes_class *c = &v->classes[i];
		double more = best ? c->weight - best->weight : 1;
		bool tied = fabs(more) < WEIGHT_EPSILON;
		if ((!tied && more > 0) ||
		    (tied && c->probability > best->probability + WEIGHT_EPSILON))
			best = c;
	}
	return best && best->weight > 0 ? best : NULL;
}

void votes_shares(const struct votes *v, size_t class_count, float *ret_shares)
{
	memset(ret_shares, 0, class_count * sizeof *ret_shares);
	for (size_t i = 0; i < v->class_count; i++)
		ret_shares[v->classes[i].class_id] = (float)(v->classes[i].weight / v->usable);
}
