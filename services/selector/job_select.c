/* SELECT: clean set, samples to ask again, demonstration pool. */
#include "base/limits.h"
#include "selector/clean.h"
#include "selector/job.h"
#include "selector/medoids.h"
#include "selector/oof.h"
#include "selector/work_set.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096
/* A cautious guess of how many wrong labels come back right when they are asked again. It
 * decides one thing: whether a run whose rounds are given by a number goes on. */
#define MENDED_SHARE 0.3

static enum err no_memory(struct job *j)
{
	return err_set(&j->msg, ERR_NO_MEMORY, "no memory for %llu samples",
		       (unsigned long long)j->work->select->sample_count);
}

/* One pass over the round's rows. */
static enum err clean_pass(struct job *j, struct clean *c, int32_t *labels, float *probabilities)
{
	const Freeal__SelectOrder *order = j->work->select;
	struct oof_reader *reader;
	uint64_t seen = 0;
	size_t n = 1;
	enum err e = oof_reader_new(j->history, j->work->name->round, order->folds, j->class_count,
				    &reader, &j->msg);
	if (e)
		return job_lacks(j, FREEAL__MISSING__JUDGEMENTS, e);
	while (!e && n > 0) {
		e = job_continue(j);
		if (!e)
			e = oof_read(reader, BLOCK, labels, probabilities, &n, &j->msg);
		if (!e && seen + n > order->sample_count)
			n = (size_t)(order->sample_count - seen); /* newer arrivals */
		if (!e)
			e = clean_add(c, probabilities, labels, n, &j->msg);
		seen += n;
	}
	oof_reader_free(reader);
	if (!e && seen < order->sample_count)
		e = err_set(&j->msg, ERR_INVALID,
			    "round %u has out-of-fold rows of %llu samples, not %llu",
			    j->work->name->round, (unsigned long long)seen,
			    (unsigned long long)order->sample_count);
	if (!e && clean_end(c) != ERR_OK)
		e = no_memory(j);
	return e;
}

static enum err clean_judge(struct job *j, struct clean *c)
{
	int32_t *labels = malloc(BLOCK * sizeof *labels);
	float *probabilities = malloc(BLOCK * j->class_count * sizeof *probabilities);
	enum err e = labels && probabilities ? ERR_OK : no_memory(j);
	for (int pass = 0; !e && pass < CLEAN_PASSES; pass++)
		e = clean_pass(j, c, labels, probabilities);
	free(labels);
	free(probabilities);
	return e;
}

/* A class's members that the small model agrees with. */
struct candidate {
	uint64_t row;
	float probability;
};

static int by_probability(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	if (x->probability != y->probability)
		return x->probability > y->probability ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

static int by_row(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	return x->row < y->row ? -1 : x->row > y->row;
}

static enum err pool_add(struct job *j, Freeal__PoolMember member)
{
	Freeal__PoolMember *m = malloc(sizeof *m);
	if (!m)
		return no_memory(j);
	*m = member;
	j->select.pool[j->select.n_pool++] = m;
	return ERR_OK;
}

/* Medoids of one class's candidates, whose order becomes that of their rows. */
static enum err class_pick(struct job *j, uint32_t class_id, struct candidate *candidates,
			   size_t count, size_t quota, size_t dimensions, const float *centre)
{
	float *vectors = malloc((count + 1) * dimensions * sizeof *vectors);
	uint32_t *members = calloc(quota + 1, sizeof *members);
	size_t picked = quota < count ? quota : count;
	enum err e = vectors && members ? ERR_OK : no_memory(j);
	qsort(candidates, count, sizeof *candidates, by_row);
	for (size_t i = 0; !e && i < count; i++)
		e = job_vectors(j, candidates[i].row, 1, dimensions, vectors + i * dimensions);
	if (!e) {
		medoids_normalise(vectors, count, dimensions, centre);
		if (medoids_pick(vectors, count, dimensions, quota, members) != ERR_OK)
			e = no_memory(j);
	}
	for (size_t i = 0; !e && i < picked; i++) {
		Freeal__PoolMember m = FREEAL__POOL_MEMBER__INIT;
		m.sample_no = candidates[members[i]].row;
		m.class_id = class_id;
		e = pool_add(j, m);
	}
	free(vectors);
	free(members);
	return e;
}

/* A class without members keeps what the old pool has of it. */
static enum err class_keep(struct job *j, uint32_t class_id, size_t quota, const Freeal__Pool *old)
{
	enum err e = ERR_OK;
	for (size_t i = 0; !e && old && quota > 0 && i < old->n_demonstrations; i++) {
		if (old->demonstrations[i]->class_id != class_id)
			continue;
		Freeal__PoolMember m = FREEAL__POOL_MEMBER__INIT;
		m.class_id = class_id;
		m.from_pool = 1;
		m.number = (uint32_t)i;
		e = pool_add(j, m);
		quota--;
	}
	return e;
}

/* Sorts the candidates of all classes, one after the other; begin[k] is where class k's
 * start, begin[class_count] their number. */
static enum err candidates_make(struct job *j, const struct clean *c,
				struct candidate **ret_candidates, size_t *begin)
{
	uint64_t n = j->work->select->sample_count;
	struct candidate *candidates = malloc((n + 1) * sizeof *candidates);
	size_t *next = calloc(j->class_count + 1, sizeof *next);
	if (!candidates || !next) {
		free(candidates);
		free(next);
		return no_memory(j);
	}
	for (int fill = 0; fill < 2; fill++) {
		for (uint64_t i = 0; i < n; i++) {
			struct clean_row row = clean_row(c, i);
			if (row.label < 0 || row.label != row.slm_label)
				continue;
			if (fill)
				candidates[next[row.label]] =
				    (struct candidate){i, row.label_probability};
			next[row.label]++;
		}
		for (size_t k = 0, sum = 0; !fill && k <= j->class_count; k++) {
			size_t count = next[k];
			next[k] = begin[k] = sum;
			sum += count;
		}
	}
	for (size_t k = 0; k < j->class_count; k++)
		qsort(candidates + begin[k], begin[k + 1] - begin[k], sizeof *candidates,
		      by_probability);
	free(next);
	*ret_candidates = candidates;
	return ERR_OK;
}

static enum err pool_pick(struct job *j, const struct clean *c, const Freeal__Pool *old)
{
	const Freeal__SelectOrder *order = j->work->select;
	struct candidate *candidates = NULL;
	float *centre = NULL;
	size_t *begin = calloc(j->class_count + 2, sizeof *begin), dimensions = 0;
	j->select.pool = calloc(order->pool + 1, sizeof *j->select.pool);
	enum err e = begin && j->select.pool ? ERR_OK : no_memory(j);
	if (!e)
		e = candidates_make(j, c, &candidates, begin);
	if (!e)
		e = job_dimensions(j, &dimensions);
	if (!e)
		e = job_centre(j, order->sample_count, dimensions, &centre);
	for (uint32_t k = 0; !e && k < j->class_count; k++) {
		size_t quota = medoids_quota(order->pool, j->class_count, k);
		size_t count = medoids_candidate_count(begin[k + 1] - begin[k], quota);
		e = job_continue(j);
		if (!e && count > 0)
			e = class_pick(j, k, candidates + begin[k], count, quota, dimensions,
				       centre);
		else if (!e)
			e = class_keep(j, k, quota, old);
	}
	free(candidates);
	free(centre);
	free(begin);
	return e;
}

static void row_fill(Freeal__SelectionRow *out, const struct clean_row *row, uint64_t sample_no,
		     bool ask_again)
{
	freeal__selection_row__init(out);
	out->sample_no = sample_no;
	out->slm_label = row->slm_label;
	out->label_probability = row->label_probability;
	out->slm_probability = row->slm_probability;
	out->clean_probability = row->clean_probability;
	out->confidence = row->confidence;
	out->clean = row->clean;
	out->ask_again = ask_again;
	out->class_id = row->label;
}

static enum err rows_emit(struct job *j, const struct clean *c, const bool *ask_again)
{
	uint64_t total = j->work->select->sample_count;
	Freeal__SelectionRow *rows = malloc(JOB_ROWS_PER_CHUNK * sizeof *rows);
	Freeal__SelectionRow **list = malloc(JOB_ROWS_PER_CHUNK * sizeof *list);
	enum err e = rows && list ? ERR_OK : no_memory(j);
	/* At least one chunk, so that the stream has an end. */
	for (uint64_t first = 0; !e && (first == 0 || first < total); first += JOB_ROWS_PER_CHUNK) {
		Freeal__SelectionChunk chunk = FREEAL__SELECTION_CHUNK__INIT;
		for (uint64_t i = first; i < total && chunk.n_rows < JOB_ROWS_PER_CHUNK; i++) {
			struct clean_row row = clean_row(c, i);
			list[chunk.n_rows] = &rows[chunk.n_rows];
			row_fill(&rows[chunk.n_rows++], &row, i, ask_again[i]);
		}
		chunk.rows = list;
		size_t size = freeal__selection_chunk__get_packed_size(&chunk);
		uint8_t *data = malloc(size + 1);
		e = data ? ERR_OK : no_memory(j);
		if (!e) {
			(void)freeal__selection_chunk__pack(&chunk, data);
			e = j->emit(j, data, size);
		}
		free(data);
		atomic_store(&j->done, first + chunk.n_rows);
	}
	free(rows);
	free(list);
	return e;
}

static enum err work_set_make(struct job *j, const struct clean *c, bool *ask_again)
{
	const Freeal__SelectOrder *order = j->work->select;
	size_t n = (size_t)order->sample_count, count;
	float *support = malloc((n + 1) * sizeof *support);
	if (!support)
		return no_memory(j);
	for (size_t i = 0; i < n; i++)
		support[i] = clean_row(c, i).support;
	double share = order->relabel < 0 ? 0 : order->relabel > 1 ? 1 : order->relabel;
	enum err e = work_set_choose(support, n, share, ask_again, &count);
	free(support);
	if (e)
		return no_memory(j);
	j->select.ask_again = count;
	for (size_t i = 0; i < n; i++)
		if (ask_again[i])
			j->select.mended_expected +=
			    MENDED_SHARE * (1 - (double)clean_row(c, i).confidence);
	return ERR_OK;
}

enum err job_select(struct job *j)
{
	const Freeal__SelectOrder *order = j->work->select;
	struct clean *c = NULL;
	Freeal__Pool *old = NULL;
	bool *ask_again = calloc(order->sample_count + 1, sizeof *ask_again);
	atomic_store(&j->total, order->sample_count);
	enum err e =
	    ask_again && clean_new((size_t)order->sample_count, j->class_count, &c) == ERR_OK
		? ERR_OK
		: no_memory(j);
	if (!e && order->pool_version_old) {
		e = history_pool_get(j->history, order->pool_version_old, &old);
		if (e)
			(void)err_set(&j->msg, e, "pool %llu: %s",
				      (unsigned long long)order->pool_version_old, err_str(e));
	}
	/* Before what takes long, so that all that is lost is made again at once. */
	size_t dimensions;
	if (!e)
		e = job_dimensions(j, &dimensions);
	if (!e)
		e = clean_judge(j, c);
	if (!e)
		e = work_set_make(j, c, ask_again);
	if (!e)
		e = pool_pick(j, c, old);
	if (!e)
		e = rows_emit(j, c, ask_again);
	if (!e) {
		struct clean_summary s = clean_summary(c);
		j->select.row_count = order->sample_count;
		j->select.labelled = s.labelled;
		j->select.clean = s.clean;
		j->select.log_likelihood = s.log_likelihood;
		j->select.log_likelihood_error = s.log_likelihood_error;
		j->select.separated = s.separated;
	}
	free(ask_again);
	clean_free(c);
	frame_message_free(old);
	return e;
}
