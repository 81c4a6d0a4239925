/* Recipe "paper": the losses of an epoch go to the selector, its clean set comes back. */
#include "base/limits.h"
#include "trainer/job_context.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The labelled rows' losses, as LossChunks. */
static enum err losses_write(struct job *j, struct outbox_stream *s, const float *losses,
			     const int32_t *labels, size_t row_count)
{
	const size_t chunk_rows = CHUNK_BYTES_TARGET / 16;
	uint64_t *numbers = malloc(chunk_rows * sizeof *numbers);
	int32_t *classes = malloc(chunk_rows * sizeof *classes);
	float *values = malloc(chunk_rows * sizeof *values);
	enum err e = numbers && classes && values
			 ? ERR_OK
			 : err_set(&j->msg, ERR_NO_MEMORY, "no memory for the losses");
	for (size_t i = 0; !e && i < row_count;) {
		size_t n = 0;
		for (; i < row_count && n < chunk_rows; i++) {
			if (labels[i] < 0)
				continue;
			numbers[n] = i;
			classes[n] = labels[i];
			values[n++] = losses[i];
		}
		Freeal__LossChunk chunk = FREEAL__LOSS_CHUNK__INIT;
		chunk.sample_nos = numbers;
		chunk.class_ids = classes;
		chunk.losses = values;
		chunk.n_sample_nos = chunk.n_class_ids = chunk.n_losses = n;
		e = outbox_stream_add(s, &chunk.base, n, &j->msg);
	}
	free(numbers);
	free(classes);
	free(values);
	return e;
}

enum err job_clean_refit(void *refit, uint32_t epoch, const float *losses, size_t row_count,
			 bool *clean)
{
	struct job_refit *r = refit;
	struct job *j = r->job;
	char name[STREAM_NAME_BYTES_MAX];
	(void)snprintf(name, sizeof name, "loss/%u/%u", j->work->name->round, epoch);
	struct outbox_stream *s;
	struct selection *selection = NULL;
	enum err e = outbox_stream_new(r->context->dir, name, &s, &j->msg);
	if (e)
		return e;
	e = losses_write(j, s, losses, r->labels, row_count);
	if (e) {
		outbox_stream_free(s);
		return e;
	}
	e = refit_ask(j->refit, s, epoch, &j->cancel, &selection, &j->msg);
	if (e)
		return e;
	assert(selection->count == row_count);
	for (size_t i = 0; i < row_count; i++)
		clean[i] = selection->clean[i] && r->labels[i] >= 0;
	selection_free(selection);
	return ERR_OK;
}
