#include "llm/probability.h"

#include "llm/answer_impl.h"
#include "text/utf8.h"

#include <jansson.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_BYTES_MAX REPLY_BYTES_MAX
/* Tokens of a label, and bytes of what is spelled so far. */
#define STEPS_MAX 128
#define SPELLED_BYTES_MAX 4096
#define TOKEN_BYTES_MAX 512
#define ALTERNATIVES_MAX 64

struct token {
	char bytes[TOKEN_BYTES_MAX];
	size_t size;
	double probability;
};

/* What a beginning of an answer may become. */
struct fit {
	int32_t whole; /* the class whose name it spells; or ANSWER_NONE */
	bool ends;     /* it goes on behind the name with what is no letter */
	size_t more;   /* names that are longer and begin so */
	int32_t only;  /* the class of these, where it is one */
};

struct walk {
	const struct answer_labels *labels;
	double *mass; /* by class */
	double path;  /* probability of what is spelled */
	char spelled[SPELLED_BYTES_MAX];
	size_t spelled_size;
};

/* A token's bytes: given as such, as text may be cut within a character. */
static bool token_read(const json_t *object, struct token *t)
{
	const json_t *logprob = json_object_get(object, "logprob");
	const json_t *bytes = json_object_get(object, "bytes");
	const json_t *text = json_object_get(object, "token");
	if (!json_is_number(logprob))
		return false;
	t->probability = exp(fmin(json_number_value(logprob), 0));
	t->size = 0;
	if (json_is_array(bytes) && json_array_size(bytes) <= TOKEN_BYTES_MAX) {
		for (; t->size < json_array_size(bytes); t->size++)
			t->bytes[t->size] =
			    (char)json_integer_value(json_array_get(bytes, t->size));
		return true;
	}
	if (!json_is_string(text) || json_string_length(text) > TOKEN_BYTES_MAX)
		return false;
	t->size = json_string_length(text);
	memcpy(t->bytes, json_string_value(text), t->size);
	return true;
}

/* Blanks and quotes before a name say nothing. */
static void lead_skip(const char **text, size_t *size)
{
	for (;;) {
		size_t before = *size;
		const char *at = *text;
		while (*size > 0 && strchr("\"'`", **text) && **text) {
			++*text;
			--*size;
		}
		if (*size >= 3 && memcmp(*text, "\xe2\x80\x9c", 3) == 0) {
			*text += 3;
			*size -= 3;
		}
		const char *end = *text + *size;
		for (at = *text; at < end && utf8_is_space(utf8_next(&at, end)); *text = at)
			;
		*size = (size_t)(end - *text);
		if (*size == before)
			return;
	}
}

/* Whether the folded text goes on behind a name with no letter or digit. */
static bool name_ends(const char *text, size_t size, size_t name_size)
{
	const char *at = text + name_size;
	return size > name_size && !utf8_is_word(utf8_next(&at, text + size));
}

static void name_fit(struct fit *f, const struct answer_name *name, const char *text, size_t size,
		     size_t *best)
{
	const char *folded = name->folded;
	size_t name_size = name->size;
	lead_skip(&folded, &name_size);
	if (name_size == 0 || memcmp(folded, text, size < name_size ? size : name_size) != 0)
		return;
	if (size < name_size) {
		f->only = f->more == 0 || f->only == (int32_t)name->class_id
			      ? (int32_t)name->class_id
			      : ANSWER_NONE;
		f->more++;
	} else if (name_size > *best && (size == name_size || name_ends(text, size, name_size))) {
		f->whole = (int32_t)name->class_id;
		f->ends = size > name_size;
		*best = name_size;
	}
}

/* `folded` is without what lead_skip skips. */
static struct fit fit_of(const struct answer_labels *l, const char *folded, size_t size)
{
	struct fit f = {.whole = ANSWER_NONE, .only = ANSWER_NONE};
	size_t best = 0;
	for (size_t i = 0; i < l->slot_count; i++) {
		if (l->slots[i].folded)
			name_fit(&f, &l->slots[i], folded, size, &best);
	}
	/* What goes on as a longer name does is not the shorter one. */
	if (f.more > 0 && f.ends)
		f.whole = ANSWER_NONE;
	return f;
}

static void share_add(struct walk *w, const char *folded, size_t size, int32_t whole, double mass)
{
	const struct answer_labels *l = w->labels;
	bool *in = calloc(l->class_count, sizeof *in);
	size_t count = 0;
	if (!in)
		return;
	if (whole != ANSWER_NONE)
		in[whole] = true;
	for (size_t i = 0; i < l->slot_count; i++) {
		const char *name = l->slots[i].folded;
		size_t name_size = l->slots[i].size;
		if (!name)
			continue;
		lead_skip(&name, &name_size);
		if (name_size > size && memcmp(name, folded, size) == 0)
			in[l->slots[i].class_id] = true;
	}
	for (uint32_t i = 0; i < l->class_count; i++)
		count += in[i];
	for (uint32_t i = 0; i < l->class_count; i++)
		w->mass[i] += in[i] ? mass / (double)count : 0;
	free(in);
}

/* Folds what the path and a token spell; a character that is cut is left out. False: too long. */
static bool spell(const struct walk *w, const struct token *t, struct buf *out)
{
	char bytes[SPELLED_BYTES_MAX];
	const char *text = bytes;
	size_t size = w->spelled_size + t->size;
	if (size > sizeof bytes)
		return false;
	memcpy(bytes, w->spelled, w->spelled_size);
	memcpy(bytes + w->spelled_size, t->bytes, t->size);
	size = utf8_valid_size(text, size);
	lead_skip(&text, &size);
	buf_reset(out);
	utf8_fold_add(out, text, size);
	return buf_error(out) == ERR_OK;
}

/* Gives an alternative that was not taken to whom it belongs. */
static void alternative_add(struct walk *w, const struct token *t, struct buf *folded)
{
	double mass = w->path * t->probability;
	if (!spell(w, t, folded) || folded->size == 0)
		return;
	struct fit f = fit_of(w->labels, folded->data, folded->size);
	if (t->size == 0) { /* the answer ends here */
		if (f.whole != ANSWER_NONE)
			w->mass[f.whole] += mass;
	} else if (f.more == 0) {
		if (f.whole != ANSWER_NONE)
			w->mass[f.whole] += mass;
	} else if (f.whole == ANSWER_NONE && f.only != ANSWER_NONE) {
		w->mass[f.only] += mass;
	} else {
		share_add(w, folded->data, folded->size, f.whole, mass);
	}
}

/* Takes off what stands before the label in the token in which it begins. False: this one goes
 * another way before that. */
static bool lead_cut(struct token *t, const char *lead, size_t size)
{
	const char *rest = lead;
	size_t left = size;
	if (t->size >= size && memcmp(t->bytes, lead, size) == 0) {
		memmove(t->bytes, t->bytes + size, t->size - size);
		t->size -= size;
		return true;
	}
	lead_skip(&rest, &left);
	return left == 0;
}

static void alternatives_add(struct walk *w, const json_t *object, const struct token *chosen,
			     const char *lead, size_t lead_size, struct buf *folded)
{
	size_t i;
	json_t *item;
	struct token t;
	json_array_foreach(json_object_get(object, "top_logprobs"), i, item)
	{
		if (i == ALTERNATIVES_MAX)
			break;
		if (!token_read(item, &t) ||
		    (t.size == chosen->size && memcmp(t.bytes, chosen->bytes, t.size) == 0))
			continue;
		if (lead_cut(&t, lead, lead_size))
			alternative_add(w, &t, folded);
	}
}

enum step {
	STEP_ON,
	STEP_DONE,
	STEP_LOST,
};

/* Follows the token that was chosen. */
static enum step token_follow(struct walk *w, const struct token *t, struct buf *folded)
{
	if (!spell(w, t, folded))
		return STEP_LOST;
	w->path *= t->probability;
	memcpy(w->spelled + w->spelled_size, t->bytes, t->size);
	w->spelled_size += t->size;
	if (folded->size == 0)
		return STEP_ON;
	struct fit f = fit_of(w->labels, folded->data, folded->size);
	if (f.more > 0)
		return STEP_ON;
	if (f.whole == ANSWER_NONE)
		return STEP_LOST;
	w->mass[f.whole] += w->path;
	return STEP_DONE;
}

/* The answer ended: what it spells is the label. */
static bool end_take(struct walk *w, struct buf *folded)
{
	static const struct token none;
	if (!spell(w, &none, folded) || folded->size == 0)
		return false;
	struct fit f = fit_of(w->labels, folded->data, folded->size);
	if (f.whole == ANSWER_NONE)
		return false;
	w->mass[f.whole] += w->path;
	return true;
}

static bool tokens_walk(struct walk *w, const json_t *tokens, size_t at, size_t lead_size,
			struct buf *folded)
{
	size_t count = json_array_size(tokens);
	for (size_t step = 0; at < count && step < STEPS_MAX; at++, step++, lead_size = 0) {
		const json_t *object = json_array_get(tokens, at);
		struct token chosen, rest;
		if (!token_read(object, &chosen))
			return false;
		rest = chosen;
		if (!lead_cut(&rest, chosen.bytes, lead_size))
			return false;
		alternatives_add(w, object, &chosen, chosen.bytes, lead_size, folded);
		enum step s = token_follow(w, &rest, folded);
		if (s != STEP_ON)
			return s == STEP_DONE;
	}
	return at == count && end_take(w, folded);
}

/* The token in which the label begins, and how many of its bytes stand before. The tokens may
 * begin with reasoning that is not in the content, and end with a mark. */
static bool token_find(const struct reply_choice *c, const char *label, size_t *ret_at,
		       size_t *ret_lead)
{
	struct buf all;
	struct token t;
	size_t count = json_array_size(c->logprobs);
	buf_init(&all, CONTENT_BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!token_read(json_array_get(c->logprobs, i), &t))
			t.size = 0;
		buf_add(&all, t.bytes, t.size);
	}
	const char *found = NULL;
	for (const char *at = all.data; !buf_error(&all) && at && at < all.data + all.size; at++) {
		at = memmem(at, (size_t)(all.data + all.size - at), c->content, c->content_size);
		if (!at)
			break;
		found = at;
	}
	size_t place = found ? (size_t)(found - all.data) + (size_t)(label - c->content) : 0;
	buf_done(&all);
	for (size_t i = 0, end = 0; found && i < count; i++, end += t.size) {
		if (!token_read(json_array_get(c->logprobs, i), &t))
			t.size = 0;
		if (place >= end && place < end + t.size) {
			*ret_at = i;
			*ret_lead = place - end;
			return true;
		}
	}
	return false;
}

bool probability_read(const struct answer_labels *l, const struct reply_choice *choice,
		      const char *label, float *ret_probabilities, double *ret_seen)
{
	size_t at, lead;
	struct buf folded;
	struct walk w = {.labels = l, .path = 1};
	if (!choice->logprobs || !label || !token_find(choice, label, &at, &lead))
		return false;
	w.mass = calloc(l->class_count, sizeof *w.mass);
	if (!w.mass)
		return false;
	buf_init(&folded, 4 * SPELLED_BYTES_MAX);
	bool read = tokens_walk(&w, choice->logprobs, at, lead, &folded);
	double seen = 0;
	for (uint32_t i = 0; i < l->class_count; i++)
		seen += w.mass[i];
	read = read && seen > 0 && isfinite(seen);
	for (uint32_t i = 0; read && i < l->class_count; i++)
		ret_probabilities[i] = (float)(w.mass[i] / seen);
	if (read)
		*ret_seen = fmin(seen, 1);
	buf_done(&folded);
	free(w.mass);
	return read;
}
