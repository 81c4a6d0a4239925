#include "trainer/encoder/rows.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What one worker makes of its share of the texts. */
struct share {
	uint32_t *ids;
	size_t count, capacity;
	size_t cut;
	bool failed;
};

struct make {
	const struct tokenizer *t;
	const char *const *texts;
	const size_t *sizes;
	size_t count, tokens_max;
	uint64_t *offsets; /* lengths at first, each at the place of its text's end */
	struct share *shares;
};

static bool reserve(struct share *s, size_t more)
{
	if (s->capacity - s->count >= more)
		return true;
	size_t capacity = 2 * s->capacity + more;
	uint32_t *ids = reallocarray(s->ids, capacity, sizeof *ids);
	if (!ids)
		return false;
	s->ids = ids;
	s->capacity = capacity;
	return true;
}

/* One token more than is wanted shows that a text is too long. */
static bool encode(const struct make *m, struct share *s, size_t text, size_t *ret_count)
{
	*ret_count = 0;
	if (!m->sizes[text])
		return true;
	if (!reserve(s, m->tokens_max + 1))
		return false;
	uint32_t *ids = s->ids + s->count;
	size_t count;
	if (tokenizer_encode(m->t, m->texts[text], m->sizes[text], ids, m->tokens_max + 1, &count))
		return false;
	if (count > m->tokens_max) {
		s->cut++;
		if (tokenizer_encode(m->t, m->texts[text], m->sizes[text], ids, m->tokens_max,
				     &count))
			return false;
	}
	s->count += count;
	*ret_count = count;
	return true;
}

static void encode_share(void *context, size_t worker, size_t worker_count)
{
	struct make *m = context;
	struct share *s = &m->shares[worker];
	size_t first, count;
	team_share(m->count, 1, worker, worker_count, &first, &count);
	for (size_t i = first; i < first + count && !s->failed; i++) {
		size_t tokens;
		s->failed = !encode(m, s, i, &tokens);
		m->offsets[i + 1] = s->failed ? 0 : tokens;
	}
}

static enum err join(struct make *m, size_t worker_count, struct rows *ret_rows, size_t *ret_cut)
{
	size_t total = 0, cut = 0;
	for (size_t i = 0; i < worker_count; i++) {
		if (m->shares[i].failed)
			return ERR_NO_MEMORY;
		total += m->shares[i].count;
		cut += m->shares[i].cut;
	}
	uint32_t *ids = malloc((total + 1) * sizeof *ids);
	if (!ids)
		return ERR_NO_MEMORY;
	size_t at = 0;
	for (size_t i = 0; i < worker_count; i++) {
		const struct share *s = &m->shares[i];
		if (s->count)
			memcpy(ids + at, s->ids, s->count * sizeof *ids);
		at += s->count;
	}
	for (size_t i = 0; i < m->count; i++)
		m->offsets[i + 1] += m->offsets[i];
	*ret_rows = (struct rows){.count = m->count, .ids = ids, .offsets = m->offsets};
	if (ret_cut)
		*ret_cut = cut;
	return ERR_OK;
}

enum err rows_make(const struct tokenizer *t, const char *const *texts, const size_t *sizes,
		   size_t count, size_t tokens_max, struct team *team, struct rows *ret_rows,
		   size_t *ret_cut, struct err_msg *msg)
{
	assert(tokens_max >= 3);
	size_t worker_count = team_size(team);
	struct make m = {.t = t,
			 .texts = texts,
			 .sizes = sizes,
			 .count = count,
			 .tokens_max = tokens_max,
			 .offsets = calloc(count + 1, sizeof *m.offsets),
			 .shares = calloc(worker_count, sizeof *m.shares)};
	enum err err = ERR_NO_MEMORY;
	if (m.offsets && m.shares) {
		team_run(team, encode_share, &m);
		err = join(&m, worker_count, ret_rows, ret_cut);
	}
	for (size_t i = 0; i < worker_count && m.shares; i++)
		free(m.shares[i].ids);
	free(m.shares);
	if (err) {
		free(m.offsets);
		return err_set(msg, err, "no memory for the tokens of %zu texts", count);
	}
	return ERR_OK;
}

void rows_done(struct rows *r)
{
	free(r->ids);
	free(r->offsets);
	*r = (struct rows){0};
}
