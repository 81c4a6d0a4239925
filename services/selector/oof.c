#include "selector/oof.h"

#include "base/buf.h"
#include "base/limits.h"
#include "selector/history.h"

#include <stdlib.h>
#include <string.h>

struct oof_head {
	uint32_t rows;
	uint32_t classes;
};

size_t oof_chunk_bytes(const Freeal__OofChunk *chunk)
{
	return sizeof(struct oof_head) +
	       chunk->n_sample_nos * (sizeof(uint64_t) + sizeof(int32_t)) +
	       chunk->n_probabilities * sizeof(float);
}

void oof_chunk_write(const Freeal__OofChunk *chunk, void *data)
{
	size_t rows = chunk->n_sample_nos;
	struct oof_head head = {.rows = (uint32_t)rows};
	if (rows)
		head.classes = (uint32_t)(chunk->n_probabilities / rows);
	char *at = data;
	memcpy(at, &head, sizeof head);
	at += sizeof head;
	if (!rows)
		return;
	memcpy(at, chunk->sample_nos, rows * sizeof(uint64_t));
	at += rows * sizeof(uint64_t);
	memcpy(at, chunk->class_ids, rows * sizeof(int32_t));
	at += rows * sizeof(int32_t);
	memcpy(at, chunk->probabilities, chunk->n_probabilities * sizeof(float));
}

/* One fold: its current chunk and the row in it that comes next. */
struct fold {
	struct buf chunk;
	uint64_t next_seq;
	uint32_t rows, row;
	bool ended;
};

struct oof_reader {
	struct history *history;
	uint32_t round, fold_count;
	size_t class_count;
	uint64_t next_no; /* sample that must come next */
	struct fold *folds;
};

void oof_reader_free(struct oof_reader *r)
{
	if (!r)
		return;
	for (uint32_t f = 0; f < r->fold_count; f++)
		buf_done(&r->folds[f].chunk);
	free(r->folds);
	free(r);
}

enum err oof_reader_new(struct history *h, uint32_t round, uint32_t folds, size_t class_count,
			struct oof_reader **ret_reader, struct err_msg *msg)
{
	for (uint32_t f = 0; f < folds; f++)
		if (!history_oof_complete(h, round, f))
			return err_set(msg, ERR_NOT_FOUND,
				       "the out-of-fold rows of round %u, fold %u are missing",
				       round, f);
	struct oof_reader *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(msg, ERR_NO_MEMORY, "no memory for reading rows");
	r->history = h;
	r->round = round;
	r->class_count = class_count;
	r->folds = calloc(folds + 1, sizeof *r->folds);
	if (!r->folds) {
		free(r);
		return err_set(msg, ERR_NO_MEMORY, "no memory for reading rows");
	}
	r->fold_count = folds;
	for (uint32_t f = 0; f < folds; f++)
		buf_init(&r->folds[f].chunk, 4 * FRAME_BYTES_MAX);
	*ret_reader = r;
	return ERR_OK;
}

/* Makes sure that the fold has a current row, or has ended. */
static enum err fold_fill(struct oof_reader *r, uint32_t f)
{
	struct fold *fold = &r->folds[f];
	while (!fold->ended && fold->row >= fold->rows) {
		uint64_t seq = fold->next_seq;
		buf_reset(&fold->chunk);
		enum err e = history_oof_get(r->history, r->round, f, &seq, &fold->chunk);
		if (e == ERR_NOT_FOUND) {
			fold->ended = true;
			break;
		}
		if (e)
			return e;
		struct oof_head head;
		if (fold->chunk.size < sizeof head)
			return ERR_CORRUPT;
		memcpy(&head, fold->chunk.data, sizeof head);
		size_t row_bytes =
		    sizeof(uint64_t) + sizeof(int32_t) + head.classes * sizeof(float);
		if (fold->chunk.size != sizeof head + head.rows * row_bytes)
			return ERR_CORRUPT;
		if (head.rows && head.classes != r->class_count)
			return ERR_INVALID;
		fold->rows = head.rows;
		fold->row = 0;
		fold->next_seq = seq + 1;
	}
	return ERR_OK;
}

static uint64_t fold_no(const struct fold *f)
{
	uint64_t no;
	memcpy(&no, f->chunk.data + sizeof(struct oof_head) + f->row * sizeof no, sizeof no);
	return no;
}

static void fold_take(struct oof_reader *r, struct fold *f, int32_t *ret_label,
		      float *ret_probabilities)
{
	const char *labels = f->chunk.data + sizeof(struct oof_head) + f->rows * sizeof(uint64_t);
	const char *rows = labels + f->rows * sizeof(int32_t);
	memcpy(ret_label, labels + f->row * sizeof(int32_t), sizeof(int32_t));
	memcpy(ret_probabilities, rows + f->row * r->class_count * sizeof(float),
	       r->class_count * sizeof(float));
	f->row++;
}

enum err oof_read(struct oof_reader *r, size_t max, int32_t *ret_labels, float *ret_probabilities,
		  size_t *ret_count, struct err_msg *msg)
{
	size_t count = 0;
	for (; count < max; count++) {
		struct fold *least = NULL;
		for (uint32_t f = 0; f < r->fold_count; f++) {
			enum err e = fold_fill(r, f);
			if (e)
				return err_set(msg, e,
					       "cannot read the rows of round %u, fold %u: %s",
					       r->round, f, err_str(e));
			struct fold *fold = &r->folds[f];
			if (!fold->ended && (!least || fold_no(fold) < fold_no(least)))
				least = fold;
		}
		if (!least)
			break;
		if (fold_no(least) != r->next_no)
			return err_set(msg, ERR_INVALID,
				       "the rows of round %u have sample %llu where %llu is due",
				       r->round, (unsigned long long)fold_no(least),
				       (unsigned long long)r->next_no);
		fold_take(r, least, &ret_labels[count], ret_probabilities + count * r->class_count);
		r->next_no++;
	}
	*ret_count = count;
	return ERR_OK;
}
