#include "selector/losses.h"

#include <stdbool.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

struct losses {
	uint32_t round, epoch;
	struct loss *rows;
	size_t count, capacity;
};

enum err losses_new(uint32_t round, uint32_t epoch, struct losses **ret_losses)
{
	struct losses *l = calloc(1, sizeof *l);
	if (!l)
		return ERR_NO_MEMORY;
	l->round = round;
	l->epoch = epoch;
	*ret_losses = l;
	return ERR_OK;
}

void losses_free(struct losses *l)
{
	if (!l)
		return;
	free(l->rows);
	free(l);
}

static enum err losses_reserve(struct losses *l, size_t more)
{
	size_t capacity = l->capacity ? l->capacity : 4096;
	if (more > LOSSES_COUNT_MAX - l->count)
		return ERR_LIMIT;
	while (capacity < l->count + more)
		capacity *= 2;
	struct loss *rows = realloc(l->rows, capacity * sizeof *rows);
	if (!rows)
		return ERR_NO_MEMORY;
	l->rows = rows;
	l->capacity = capacity;
	return ERR_OK;
}

enum err losses_add(struct losses *l, const Freeal__LossChunk *chunk, size_t class_count,
		    struct err_msg *msg)
{
	size_t n = chunk->n_sample_nos;
	if (chunk->n_class_ids != n || chunk->n_losses != n)
		return err_set(msg, ERR_PROTOCOL, "losses are malformed");
	enum err e = losses_reserve(l, n);
	if (e)
		return err_set(msg, e, "%zu losses are too many", l->count + n);
	for (size_t i = 0; i < n; i++) {
		struct loss row = {chunk->sample_nos[i], chunk->class_ids[i], chunk->losses[i]};
		bool ascending = l->count == 0 || l->rows[l->count - 1].sample_no < row.sample_no;
		if (!ascending || row.class_id < 0 || (size_t)row.class_id >= class_count ||
		    !isfinite(row.loss) || row.loss < 0)
			return err_set(msg, ERR_PROTOCOL, "the loss of sample %llu is malformed",
				       (unsigned long long)row.sample_no);
		l->rows[l->count++] = row;
	}
	return ERR_OK;
}

uint32_t losses_round(const struct losses *l)
{
	return l->round;
}

uint32_t losses_epoch(const struct losses *l)
{
	return l->epoch;
}

size_t losses_count(const struct losses *l)
{
	return l->count;
}

const struct loss *losses_rows(const struct losses *l)
{
	return l->rows;
}
