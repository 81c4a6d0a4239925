/* Refit: a new clean set by the losses of the model being trained (recipe "paper"). */
#include "base/limits.h"
#include "selector/clean.h"
#include "selector/job.h"
#include "wire/frame.h"

#include <math.h>
#include <stdlib.h>

#define BLOCK 4096

static enum err no_memory(struct job *j)
{
	return err_set(&j->msg, ERR_NO_MEMORY, "no memory for %zu losses", losses_count(j->losses));
}

/* The judge takes probabilities: the label gets exp(-loss), the others an equal part of
 * the rest. */
static void row_fill(const struct loss *row, size_t class_count, int32_t *ret_label,
		     float *ret_probabilities)
{
	float own = expf(-row->loss);
	float other = class_count > 1 ? (1 - own) / (float)(class_count - 1) : 0;
	for (size_t k = 0; k < class_count; k++)
		ret_probabilities[k] = k == (size_t)row->class_id ? own : other;
	*ret_label = row->class_id;
}

static enum err losses_judge(struct job *j, struct clean *c)
{
	const struct loss *rows = losses_rows(j->losses);
	size_t total = losses_count(j->losses);
	int32_t *labels = malloc(BLOCK * sizeof *labels);
	float *probabilities = malloc(BLOCK * j->class_count * sizeof *probabilities);
	enum err e = labels && probabilities ? ERR_OK : no_memory(j);
	for (int pass = 0; !e && pass < CLEAN_PASSES; pass++) {
		for (size_t first = 0; !e && first < total; first += BLOCK) {
			size_t n = total - first < BLOCK ? total - first : BLOCK;
			for (size_t i = 0; i < n; i++)
				row_fill(&rows[first + i], j->class_count, &labels[i],
					 probabilities + i * j->class_count);
			e = job_continue(j);
			if (!e)
				e = clean_add(c, probabilities, labels, n, &j->msg);
		}
		if (!e && clean_end(c) != ERR_OK)
			e = no_memory(j);
	}
	free(labels);
	free(probabilities);
	return e;
}

/* Puts the new judgement into a chunk of the round's selection; *next is the loss that
 * comes next. */
static void chunk_refit(struct job *j, const struct clean *c, Freeal__SelectionChunk *chunk,
			size_t *next)
{
	const struct loss *losses = losses_rows(j->losses);
	for (size_t i = 0; i < chunk->n_rows; i++) {
		Freeal__SelectionRow *row = chunk->rows[i];
		while (*next < losses_count(j->losses) && losses[*next].sample_no < row->sample_no)
			(*next)++;
		bool there =
		    *next < losses_count(j->losses) && losses[*next].sample_no == row->sample_no;
		struct clean_row judged = {0};
		if (there)
			judged = clean_row(c, *next);
		row->clean = judged.clean;
		row->clean_probability = judged.clean_probability;
	}
}

static enum err chunk_emit(struct job *j, const Freeal__SelectionChunk *chunk)
{
	size_t size = freeal__selection_chunk__get_packed_size(chunk);
	uint8_t *data = malloc(size + 1);
	if (!data)
		return no_memory(j);
	(void)freeal__selection_chunk__pack(chunk, data);
	enum err e = j->emit(j, data, size);
	free(data);
	return e;
}

static enum err rows_emit(struct job *j, const struct clean *c)
{
	uint32_t round = losses_round(j->losses);
	struct buf body;
	bool last = false;
	size_t next = 0;
	enum err e = ERR_OK;
	buf_init(&body, FRAME_BYTES_MAX);
	for (uint64_t seq = 0; !e && !last; seq++) {
		buf_reset(&body);
		e = history_rows_get(j->history, HISTORY_SELECTION, round, seq, &body, &last);
		if (e) {
			(void)err_set(&j->msg, e, "cannot read the selection of round %u: %s",
				      round, err_str(e));
			break;
		}
		Freeal__SelectionChunk *chunk = frame_message_unpack(
		    &freeal__selection_chunk__descriptor, body.data, body.size);
		if (!chunk) {
			e = err_set(&j->msg, ERR_CORRUPT, "the selection of round %u is damaged",
				    round);
			break;
		}
		chunk_refit(j, c, chunk, &next);
		e = chunk_emit(j, chunk);
		frame_message_free(chunk);
	}
	buf_done(&body);
	return e;
}

enum err job_refit(struct job *j)
{
	struct clean *c = NULL;
	enum err e = ERR_OK;
	if (clean_new(losses_count(j->losses), j->class_count, &c) != ERR_OK)
		return no_memory(j);
	e = losses_judge(j, c);
	if (!e)
		e = rows_emit(j, c);
	clean_free(c);
	return e;
}
