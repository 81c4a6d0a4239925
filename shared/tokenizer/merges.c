#include "tokenizer/merges.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define CAPACITY_FIRST 1024
#define SHORT_MAX 48 /* ids that are merged by looking at all pairs */

void merges_done(struct merges *m)
{
	free(m->slots);
	*m = (struct merges){.count = 0};
}

/* The pair's slot, or the free one for it; the table has free ones. */
static struct merge *slot(const struct merges *m, uint32_t left, uint32_t right)
{
	uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
	for (size_t i = (hash ^ hash >> 32) & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
		struct merge *s = &m->slots[i];
		if (s->left == NONE || (s->left == left && s->right == right))
			return s;
	}
}

static const struct merge *find(const struct merges *m, uint32_t left, uint32_t right)
{
	if (!m->capacity)
		return NULL;
	const struct merge *s = slot(m, left, right);
	return s->left == NONE ? NULL : s;
}

static enum err reserve(struct merges *m)
{
	if (m->capacity && m->count < m->capacity / 2)
		return ERR_OK;
	struct merges next = {.capacity = m->capacity ? m->capacity * 2 : CAPACITY_FIRST,
			      .count = m->count};
	next.slots = malloc(next.capacity * sizeof *next.slots);
	if (!next.slots)
		return ERR_NO_MEMORY;
	memset(next.slots, 0xff, next.capacity * sizeof *next.slots);
	for (size_t i = 0; i < m->capacity; i++)
		if (m->slots[i].left != NONE)
			*slot(&next, m->slots[i].left, m->slots[i].right) = m->slots[i];
	free(m->slots);
	*m = next;
	return ERR_OK;
}

enum err merges_add(struct merges *m, struct merge merge)
{
	if (m->count >= MERGES_MAX)
		return ERR_LIMIT;
	enum err e = reserve(m);
	if (e)
		return e;
	struct merge *s = slot(m, merge.left, merge.right);
	m->count += s->left == NONE;
	*s = merge;
	return ERR_OK;
}

static size_t apply_short(const struct merges *m, uint32_t *ids, size_t count)
{
	const struct merge *pairs[SHORT_MAX]; /* of ids[i] and ids[i + 1] */
	for (size_t i = 0; i + 1 < count; i++)
		pairs[i] = find(m, ids[i], ids[i + 1]);
	while (count > 1) {
		size_t best = count;
		for (size_t i = 0; i + 1 < count; i++)
			if (pairs[i] && (best == count || pairs[i]->rank < pairs[best]->rank))
				best = i;
		if (best == count)
			break;
		ids[best] = pairs[best]->id;
		count--;
		for (size_t i = best + 1; i < count; i++) {
			ids[i] = ids[i + 1];
			pairs[i - 1] = pairs[i];
		}
		if (best > 0)
			pairs[best - 1] = find(m, ids[best - 1], ids[best]);
		if (best + 1 < count)
			pairs[best] = find(m, ids[best], ids[best + 1]);
	}
	return count;
}

/* A long word is a linked list, with a heap of the pairs that may be merged. An entry is stale
 * where its pair has changed since. */
struct symbol {
	uint32_t id; /* NONE: merged into the one before */
	uint32_t before, after;
};

struct candidate {
	uint32_t rank, at, id;
};

struct word {
	const struct merges *merges;
	struct symbol *symbols;
	struct candidate *heap;
	size_t heap_count;
};

static bool goes_first(struct candidate a, struct candidate b)
{
	return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void heap_push(struct word *w, struct candidate c)
{
	size_t i = w->heap_count++;
	for (; i > 0 && goes_first(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = c;
}

static struct candidate heap_pop(struct word *w)
{
	struct candidate top = w->heap[0], last = w->heap[--w->heap_count];
	size_t i = 0;
	for (size_t child = 1; child < w->heap_count; child = 2 * i + 1) {
		if (child + 1 < w->heap_count && goes_first(w->heap[child + 1], w->heap[child]))
			child++;
		if (!goes_first(w->heap[child], last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* Puts the pair that begins at `at` on the heap, where it can be merged. */
static void consider(struct word *w, uint32_t at)
{
	const struct symbol *s = at == NONE ? NULL : &w->symbols[at];
	if (!s || s->after == NONE)
		return;
	const struct merge *m = find(w->merges, s->id, w->symbols[s->after].id);
	if (m)
		heap_push(w, (struct candidate){.rank = m->rank, .at = at, .id = m->id});
}

static void merge_at(struct word *w, struct candidate c)
{
	struct symbol *s = &w->symbols[c.at];
	if (s->id == NONE || s->after == NONE)
		return;
	struct symbol *next = &w->symbols[s->after];
	const struct merge *m = find(w->merges, s->id, next->id);
	if (!m || m->id != c.id)
		return;
	s->id = c.id;
	next->id = NONE;
	s->after = next->after;
	if (s->after != NONE)
		w->symbols[s->after].before = c.at;
	consider(w, s->before);
	consider(w, c.at);
}

static enum err apply_long(const struct merges *m, uint32_t *ids, size_t count, size_t *ret_count)
{
	/* A merge takes one entry off the heap and puts two on. */
	struct word w = {.merges = m,
			 .symbols = malloc(count * sizeof *w.symbols),
			 .heap = malloc(2 * count * sizeof *w.heap)};
	enum err e = w.symbols && w.heap ? ERR_OK : ERR_NO_MEMORY;
	for (size_t i = 0; !e && i < count; i++)
		w.symbols[i] = (struct symbol){.id = ids[i],
					       .before = i ? (uint32_t)i - 1 : NONE,
					       .after = i + 1 < count ? (uint32_t)i + 1 : NONE};
	for (size_t i = 0; !e && i < count; i++)
		consider(&w, (uint32_t)i);
	while (!e && w.heap_count)
		merge_at(&w, heap_pop(&w));
	if (!e) {
		size_t n = 0;
		for (uint32_t i = 0; i != NONE; i = w.symbols[i].after)
			ids[n++] = w.symbols[i].id;
		*ret_count = n;
	}
	free(w.symbols);
	free(w.heap);
	return e;
}

enum err merges_apply(const struct merges *m, uint32_t *ids, size_t count, size_t *ret_count)
{
	if (count > SHORT_MAX)
		return apply_long(m, ids, count, ret_count);
	*ret_count = apply_short(m, ids, count);
	return ERR_OK;
}
