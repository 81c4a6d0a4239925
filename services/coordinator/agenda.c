#include "coordinator/agenda.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum item { ITEM_OPEN, ITEM_OUT, ITEM_RETURNED, ITEM_SETTLED, ITEM_EXCLUDED };

struct returned {
	uint64_t index;
	uint32_t attempt;
	uint32_t losses; /* of a suspect */
};

/* Entries of items that are out again or settled meanwhile are left in and skipped. */
struct returns {
	struct returned *list;
	uint64_t first, end, capacity; /* those from `first` to `end` wait */
};

struct agenda {
	uint8_t *items; /* enum item of each */
	uint64_t count;
	uint64_t excluded, settled;
	uint64_t cursor;	 /* no open item lies before it */
	struct returns returned; /* the last is taken first */
	struct returns suspects; /* the first is taken first */
};

struct agenda *agenda_new(uint64_t count)
{
	struct agenda *a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	a->count = count;
	a->items = calloc(count ? count : 1, 1);
	if (!a->items) {
		free(a);
		return NULL;
	}
	return a;
}

void agenda_free(struct agenda *a)
{
	if (!a)
		return;
	free(a->items);
	free(a->returned.list);
	free(a->suspects.list);
	free(a);
}

void agenda_exclude(struct agenda *a, uint64_t index)
{
	assert(index < a->count && a->items[index] == ITEM_OPEN);
	a->items[index] = ITEM_EXCLUDED;
	a->excluded++;
}

bool agenda_settle(struct agenda *a, uint64_t index)
{
	assert(index < a->count);
	if (a->items[index] == ITEM_SETTLED || a->items[index] == ITEM_EXCLUDED)
		return false;
	a->items[index] = ITEM_SETTLED;
	a->settled++;
	return true;
}

bool agenda_next(struct agenda *a, uint64_t *ret_index, uint32_t *ret_attempt)
{
	while (a->returned.end > 0) {
		struct returned r = a->returned.list[--a->returned.end];
		if (a->items[r.index] != ITEM_RETURNED)
			continue;
		a->items[r.index] = ITEM_OUT;
		*ret_index = r.index;
		*ret_attempt = r.attempt + 1;
		return true;
	}
	for (; a->cursor < a->count; a->cursor++) {
		if (a->items[a->cursor] != ITEM_OPEN)
			continue;
		a->items[a->cursor] = ITEM_OUT;
		*ret_index = a->cursor++;
		*ret_attempt = 1;
		return true;
	}
	return false;
}

bool agenda_next_suspect(struct agenda *a, uint32_t losses_max, uint64_t *ret_index,
			 uint32_t *ret_attempt, uint32_t *ret_losses)
{
	struct returns *s = &a->suspects;
	for (; s->first < s->end; s->first++) {
		struct returned r = s->list[s->first];
		if (a->items[r.index] != ITEM_RETURNED)
			continue;
		if (r.losses > losses_max)
			return false;
		s->first++;
		a->items[r.index] = ITEM_OUT;
		*ret_index = r.index;
		*ret_attempt = r.attempt + 1;
		*ret_losses = r.losses;
		return true;
	}
	return false;
}

static enum err returns_add(struct agenda *a, struct returns *s, struct returned r)
{
	assert(r.index < a->count);
	if (a->items[r.index] != ITEM_OUT)
		return ERR_OK;
	if (s->end == s->capacity && s->first > s->capacity / 2) {
		memmove(s->list, s->list + s->first, (s->end - s->first) * sizeof *s->list);
		s->end -= s->first;
		s->first = 0;
	}
	if (s->end == s->capacity) {
		uint64_t capacity = s->capacity ? 2 * s->capacity : 64;
		struct returned *more = realloc(s->list, capacity * sizeof *more);
		if (!more)
			return ERR_NO_MEMORY;
		s->list = more;
		s->capacity = capacity;
	}
	a->items[r.index] = ITEM_RETURNED;
	s->list[s->end++] = r;
	return ERR_OK;
}

enum err agenda_return(struct agenda *a, uint64_t index, uint32_t attempt)
{
	return returns_add(a, &a->returned, (struct returned){index, attempt, 0});
}

enum err agenda_suspect(struct agenda *a, uint64_t index, uint32_t attempt, uint32_t losses)
{
	return returns_add(a, &a->suspects, (struct returned){index, attempt, losses});
}

void agenda_take_out(struct agenda *a, uint64_t index)
{
	assert(index < a->count);
	if (a->items[index] == ITEM_OPEN || a->items[index] == ITEM_RETURNED)
		a->items[index] = ITEM_OUT;
}

bool agenda_is_settled(const struct agenda *a, uint64_t index)
{
	assert(index < a->count);
	return a->items[index] == ITEM_SETTLED || a->items[index] == ITEM_EXCLUDED;
}

uint64_t agenda_count(const struct agenda *a)
{
	return a->count - a->excluded;
}

uint64_t agenda_settled(const struct agenda *a)
{
	return a->settled;
}
