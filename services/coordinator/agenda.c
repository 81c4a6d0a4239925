#include "coordinator/agenda.h"

#include <assert.h>
#include <stdlib.h>

enum item { ITEM_OPEN, ITEM_OUT, ITEM_RETURNED, ITEM_SETTLED, ITEM_EXCLUDED };

struct returned {
	uint64_t index;
	uint32_t attempt;
};

struct agenda {
	uint8_t *items; /* enum item of each */
	uint64_t count;
	uint64_t excluded, settled;
	uint64_t cursor;	   /* no open item lies before it */
	struct returned *returned; /* a stack */
	uint64_t returned_count, returned_capacity;
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
	free(a->returned);
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
	while (a->returned_count > 0) {
		struct returned r = a->returned[--a->returned_count];
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

enum err agenda_return(struct agenda *a, uint64_t index, uint32_t attempt)
{
	assert(index < a->count);
	if (a->items[index] != ITEM_OUT)
		return ERR_OK;
	if (a->returned_count == a->returned_capacity) {
		uint64_t capacity = a->returned_capacity ? 2 * a->returned_capacity : 64;
		struct returned *more = realloc(a->returned, capacity * sizeof *more);
		if (!more)
			return ERR_NO_MEMORY;
		a->returned = more;
		a->returned_capacity = capacity;
	}
	a->items[index] = ITEM_RETURNED;
	a->returned[a->returned_count++] = (struct returned){index, attempt};
	return ERR_OK;
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
