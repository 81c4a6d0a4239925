#include "selector/job.h"

#include "wire/frame.h"

#include <stdlib.h>

#define BLOCK 4096

struct job *job_new(const Freeal__Work *work, struct history *h, size_t class_count)
{
	if (work->order_case != FREEAL__WORK__ORDER_SELECT &&
	    work->order_case != FREEAL__WORK__ORDER_RETRIEVE)
		return NULL;
	struct job *j = calloc(1, sizeof *j);
	if (j)
		j->work = frame_message_copy(&work->base);
	if (!j || !j->work) {
		free(j);
		return NULL;
	}
	const Freeal__WorkName *name = j->work->name;
	if (work->order_case == FREEAL__WORK__ORDER_SELECT) {
		j->rows = HISTORY_SELECTION;
		j->part = name->round;
		j->vocabulary = work->select->vocabulary_count;
	} else {
		j->rows = HISTORY_NEAREST;
		j->part = HISTORY_NEAREST_PART(name->round, name->slot);
		j->vocabulary = work->retrieve->vocabulary_count;
	}
	j->history = h;
	j->class_count = class_count;
	freeal__select_result__init(&j->select);
	freeal__retrieve_result__init(&j->retrieve);
	return j;
}

struct job *job_new_refit(struct losses *losses, struct history *h, size_t class_count)
{
	struct job *j = calloc(1, sizeof *j);
	if (!j) {
		losses_free(losses);
		return NULL;
	}
	j->losses = losses;
	j->rows = HISTORY_CLEAN;
	j->part = HISTORY_CLEAN_PART(losses_round(losses), losses_epoch(losses));
	j->history = h;
	j->class_count = class_count;
	return j;
}

void job_free(struct job *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->select.n_pool; i++)
		free(j->select.pool[i]);
	free(j->select.pool);
	if (j->work)
		freeal__work__free_unpacked(j->work, NULL);
	losses_free(j->losses);
	free(j);
}

enum err job_run(struct job *j)
{
	switch (j->rows) {
	case HISTORY_SELECTION:
		return job_select(j);
	case HISTORY_NEAREST:
		return job_retrieve(j);
	default:
		return job_refit(j);
	}
}

enum err job_continue(struct job *j)
{
	return atomic_load(&j->cancel) ? err_set(&j->msg, ERR_CANCELLED, "cancelled") : ERR_OK;
}

enum err job_lacks(struct job *j, Freeal__Missing missing, enum err e)
{
	if (e == ERR_NOT_FOUND)
		j->missing = missing;
	return e;
}

enum err job_dimensions(struct job *j, size_t *ret_dimensions)
{
	enum err e = history_dimensions(j->history, j->vocabulary, ret_dimensions);
	(void)job_lacks(j, FREEAL__MISSING__EMBEDDINGS, e);
	if (e == ERR_NOT_FOUND)
		return err_set(&j->msg, e, "there are no embeddings of the samples");
	return e ? err_set(&j->msg, e, "cannot read the embeddings: %s", err_str(e)) : ERR_OK;
}

enum err job_vectors(struct job *j, uint64_t first, size_t count, size_t dimensions,
		     float *ret_vectors)
{
	enum err e =
	    history_vectors_get(j->history, j->vocabulary, first, count, dimensions, ret_vectors);
	(void)job_lacks(j, FREEAL__MISSING__EMBEDDINGS, e);
	return e ? err_set(&j->msg, e, "cannot read the embeddings of samples %llu to %llu: %s",
			   (unsigned long long)first, (unsigned long long)(first + count - 1),
			   err_str(e))
		 : ERR_OK;
}

enum err job_centre(struct job *j, uint64_t count, size_t dimensions, float **ret_centre)
{
	double *sum = calloc(dimensions, sizeof *sum);
	float *centre = calloc(dimensions, sizeof *centre);
	float *rows = malloc(BLOCK * dimensions * sizeof *rows);
	enum err e = sum && centre && rows ? ERR_OK : err_set(&j->msg, ERR_NO_MEMORY, "no memory");
	for (uint64_t first = 0; !e && first < count; first += BLOCK) {
		size_t n = count - first < BLOCK ? (size_t)(count - first) : BLOCK;
		e = job_continue(j);
		if (!e)
			e = job_vectors(j, first, n, dimensions, rows);
		for (size_t i = 0; !e && i < n; i++)
			for (size_t d = 0; d < dimensions; d++)
				sum[d] += rows[i * dimensions + d];
	}
	for (size_t d = 0; !e && d < dimensions; d++)
		centre[d] = (float)(sum[d] / (double)(count ? count : 1));
	free(sum);
	free(rows);
	if (e)
		free(centre);
	else
		*ret_centre = centre;
	return e;
}
