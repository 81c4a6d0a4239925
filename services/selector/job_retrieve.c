/* RETRIEVE: nearest demonstrations of the samples never asked, and of those asked again. */
#include "base/limits.h"
#include "selector/job.h"
#include "selector/oof.h"
#include "selector/retrieval.h"
#include "wire/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096
/* Generated demonstrations are embedded as members of the first pool. */
#define GENERATED_VERSION 1

static enum err no_memory(struct job *j)
{
	return err_set(&j->msg, ERR_NO_MEMORY, "no memory for %llu samples",
		       (unsigned long long)j->work->retrieve->sample_count);
}

/* Whom demonstrations are wanted for. */
struct queries {
	uint64_t sample_count;
	uint64_t from; /* all from here on; class probabilities are of those before */
	bool *wanted;  /* [sample_count] */
	uint64_t count;
	size_t dimensions, class_count;
	uint32_t folds; /* 0: no class probabilities */
	/* One block. */
	float *vectors;	      /* BLOCK × dimensions */
	float *probabilities; /* BLOCK × classes */
	int32_t *labels;
	uint64_t *sample_nos;
};

static void queries_done(struct queries *q)
{
	free(q->wanted);
	free(q->vectors);
	free(q->probabilities);
	free(q->labels);
	free(q->sample_nos);
}

/* Marks what the selection of a round asks again. */
static enum err queries_from_selection(struct job *j, struct queries *q, uint32_t round)
{
	struct buf body;
	bool last = false;
	enum err e = ERR_OK;
	buf_init(&body, FRAME_BYTES_MAX);
	for (uint64_t seq = 0; !e && !last; seq++) {
		buf_reset(&body);
		e = history_rows_get(j->history, HISTORY_SELECTION, round, seq, &body, &last);
		if (e)
			break;
		Freeal__SelectionChunk *chunk = frame_message_unpack(
		    &freeal__selection_chunk__descriptor, body.data, body.size);
		e = chunk ? ERR_OK : ERR_CORRUPT;
		for (size_t i = 0; !e && i < chunk->n_rows; i++) {
			const Freeal__SelectionRow *row = chunk->rows[i];
			if (row->ask_again && row->sample_no < q->from) {
				q->wanted[row->sample_no] = true;
				q->count++;
			}
		}
		frame_message_free(chunk);
	}
	buf_done(&body);
	(void)job_lacks(j, FREEAL__MISSING__JUDGEMENTS, e);
	return e ? err_set(&j->msg, e, "cannot read the selection of round %u: %s", round,
			   err_str(e))
		 : ERR_OK;
}

static enum err queries_init(struct job *j, struct queries *q, size_t dimensions)
{
	const Freeal__RetrieveOrder *order = j->work->retrieve;
	*q = (struct queries){
	    .sample_count = order->sample_count,
	    .from = order->from < order->sample_count ? order->from : order->sample_count,
	    .wanted = calloc(order->sample_count + 1, sizeof *q->wanted),
	    .dimensions = dimensions,
	    .class_count = j->class_count,
	    .vectors = malloc(BLOCK * dimensions * sizeof *q->vectors),
	    .probabilities = calloc(BLOCK * j->class_count, sizeof *q->probabilities),
	    .labels = malloc(BLOCK * sizeof *q->labels),
	    .sample_nos = malloc(BLOCK * sizeof *q->sample_nos),
	};
	if (!q->wanted || !q->vectors || !q->probabilities || !q->labels || !q->sample_nos)
		return no_memory(j);
	q->count = q->sample_count - q->from;
	memset(q->wanted + q->from, true, q->count * sizeof *q->wanted);
	if (order->all)
		return ERR_OK;
	while (history_oof_complete(j->history, order->selection_round, q->folds))
		q->folds++;
	if (q->folds == 0)
		return err_set(&j->msg, job_lacks(j, FREEAL__MISSING__JUDGEMENTS, ERR_NOT_FOUND),
			       "the out-of-fold rows of round %u are missing",
			       order->selection_round);
	return queries_from_selection(j, q, order->selection_round);
}

/* Called with each block of queries in order of their samples. */
typedef enum err (*queries_take)(void *context, struct job *j, const struct retrieval_queries *q);

/* Walks over every `step`-th query (by its rank among the queries). */
static enum err queries_walk(struct job *j, struct queries *q, uint64_t step, queries_take take,
			     void *context)
{
	struct oof_reader *reader = NULL;
	uint64_t rank = 0;
	enum err e = ERR_OK;
	if (q->folds)
		e = oof_reader_new(j->history, j->work->retrieve->selection_round, q->folds,
				   q->class_count, &reader, &j->msg);
	for (uint64_t first = 0; !e && first < q->sample_count; first += BLOCK) {
		size_t n = BLOCK, rows = 0, count = 0, probable = 0;
		if (q->sample_count - first < n)
			n = (size_t)(q->sample_count - first);
		bool any = memchr(q->wanted + first, true, n) != NULL;
		e = job_continue(j);
		if (!e && any)
			e = job_vectors(j, first, n, q->dimensions, q->vectors);
		if (!e && reader)
			e = oof_read(reader, n, q->labels, q->probabilities, &rows, &j->msg);
		if (!e && reader && rows < n && first + rows < q->from)
			e = err_set(&j->msg, ERR_INVALID, "out-of-fold rows end at sample %llu",
				    (unsigned long long)(first + rows));
		for (size_t i = 0; !e && i < n; i++) {
			if (!q->wanted[first + i] || rank++ % step != 0)
				continue;
			memmove(q->vectors + count * q->dimensions, q->vectors + i * q->dimensions,
				q->dimensions * sizeof *q->vectors);
			memmove(q->probabilities + count * q->class_count,
				q->probabilities + i * q->class_count,
				q->class_count * sizeof *q->probabilities);
			q->sample_nos[count++] = first + i;
			probable += i < rows && first + i < q->from;
		}
		struct retrieval_queries block = {count, q->vectors, q->sample_nos,
						  q->probabilities, probable};
		if (!e && count > 0)
			e = take(context, j, &block);
	}
	oof_reader_free(reader);
	return e;
}

/* The queries that prices are fitted on, put together from blocks. */
struct draw {
	size_t count, count_max, dimensions, class_count;
	float *vectors, *probabilities;
	uint64_t *sample_nos;
	size_t probable;
};

static enum err draw_take(void *context, struct job *j, const struct retrieval_queries *q)
{
	struct draw *d = context;
	(void)j;
	size_t n = q->n < d->count_max - d->count ? q->n : d->count_max - d->count;
	memcpy(d->vectors + d->count * d->dimensions, q->vectors,
	       n * d->dimensions * sizeof *d->vectors);
	memcpy(d->probabilities + d->count * d->class_count, q->probabilities,
	       n * d->class_count * sizeof *d->probabilities);
	memcpy(d->sample_nos + d->count, q->sample_nos, n * sizeof *d->sample_nos);
	d->probable += q->probable < n ? q->probable : n;
	d->count += n;
	return ERR_OK;
}

static enum err prices_fit(struct job *j, struct queries *q, struct retrieval *r)
{
	size_t most = retrieval_sample_max(r);
	if (q->count == 0 || most == 0)
		return ERR_OK;
	uint64_t step = (q->count + most - 1) / most;
	struct draw d = {
	    .count_max = most,
	    .dimensions = q->dimensions,
	    .class_count = q->class_count,
	    .vectors = malloc(most * q->dimensions * sizeof *d.vectors),
	    .probabilities = malloc(most * q->class_count * sizeof *d.probabilities),
	    .sample_nos = malloc(most * sizeof *d.sample_nos),
	};
	enum err e = d.vectors && d.probabilities && d.sample_nos ? ERR_OK : no_memory(j);
	if (!e)
		e = queries_walk(j, q, step, draw_take, &d);
	if (!e) {
		struct retrieval_queries sample = {d.count, d.vectors, d.sample_nos,
						   d.probabilities, d.probable};
		if (retrieval_price(r, &sample) != ERR_OK)
			e = no_memory(j);
	}
	free(d.vectors);
	free(d.probabilities);
	free(d.sample_nos);
	return e;
}

/* The rows of one chunk. */
struct output {
	struct retrieval *retrieval;
	size_t shots, count;
	bool emitted;
	uint32_t *demonstrations; /* BLOCK × shots */
	uint32_t *counts;	  /* [BLOCK] */
	Freeal__NearestRow *rows; /* [BLOCK] */
	Freeal__NearestRow **list;
};

static enum err output_emit(struct job *j, struct output *o)
{
	Freeal__NearestChunk chunk = FREEAL__NEAREST_CHUNK__INIT;
	chunk.rows = o->list;
	chunk.n_rows = o->count;
	size_t size = freeal__nearest_chunk__get_packed_size(&chunk);
	uint8_t *data = malloc(size + 1);
	if (!data)
		return no_memory(j);
	(void)freeal__nearest_chunk__pack(&chunk, data);
	enum err e = j->emit(j, data, size);
	free(data);
	o->count = 0;
	o->emitted = true;
	return e;
}

static enum err output_take(void *context, struct job *j, const struct retrieval_queries *q)
{
	struct output *o = context;
	assert(q->n <= BLOCK);
	retrieval_block(o->retrieval, q, o->demonstrations, o->counts);
	for (size_t i = 0; i < q->n; i++) {
		freeal__nearest_row__init(&o->rows[i]);
		o->rows[i].sample_no = q->sample_nos[i];
		o->rows[i].demonstrations = o->demonstrations + i * o->shots;
		o->rows[i].n_demonstrations = o->counts[i];
		o->list[i] = &o->rows[i];
	}
	o->count = q->n;
	atomic_fetch_add(&j->done, q->n);
	return output_emit(j, o);
}

static enum err rows_make(struct job *j, struct queries *q, struct retrieval *r)
{
	size_t shots = j->work->retrieve->shots;
	struct output o = {
	    .retrieval = r,
	    .shots = shots,
	    .demonstrations = malloc((BLOCK * shots + 1) * sizeof *o.demonstrations),
	    .counts = malloc(BLOCK * sizeof *o.counts),
	    .rows = malloc(BLOCK * sizeof *o.rows),
	    .list = malloc(BLOCK * sizeof *o.list),
	};
	enum err e = o.demonstrations && o.counts && o.rows && o.list ? ERR_OK : no_memory(j);
	if (!e)
		e = queries_walk(j, q, 1, output_take, &o);
	if (!e && !o.emitted)
		e = output_emit(j, &o); /* an empty chunk, so that the stream has an end */
	free(o.demonstrations);
	free(o.counts);
	free(o.rows);
	free(o.list);
	return e;
}

static enum err demonstration_load(struct job *j, const Freeal__Demonstration *d, size_t dimensions,
				   float *ret_vector)
{
	if (d->class_id >= j->class_count)
		return err_set(&j->msg, ERR_INVALID, "a demonstration has class %u of %zu",
			       d->class_id, j->class_count);
	if (!d->generated)
		return job_vectors(j, d->sample_no, 1, dimensions, ret_vector);
	enum err e = history_pool_vector_get(j->history, j->vocabulary, GENERATED_VERSION,
					     d->sample_no, dimensions, ret_vector);
	(void)job_lacks(j, FREEAL__MISSING__EMBEDDINGS, e);
	return e ? err_set(&j->msg, e, "cannot read the embedding of demonstration %llu: %s",
			   (unsigned long long)d->sample_no, err_str(e))
		 : ERR_OK;
}

/* Reads the pool and its vectors, and sets up the retrieval over it. */
static enum err retrieval_make(struct job *j, const Freeal__Pool *pool, const struct queries *q,
			       const float *centre, struct retrieval **ret_retrieval)
{
	size_t n = pool->n_demonstrations;
	float *vectors = malloc((n * q->dimensions + 1) * sizeof *vectors);
	uint64_t *sample_nos = malloc((n + 1) * sizeof *sample_nos);
	uint32_t *classes = malloc((n + 1) * sizeof *classes);
	enum err e = vectors && sample_nos && classes ? ERR_OK : no_memory(j);
	for (size_t i = 0; !e && i < n; i++) {
		const Freeal__Demonstration *d = pool->demonstrations[i];
		classes[i] = d->class_id;
		sample_nos[i] = d->generated ? RETRIEVAL_NO_SAMPLE : d->sample_no;
		e = demonstration_load(j, d, q->dimensions, vectors + i * q->dimensions);
	}
	struct retrieval_config config = {
	    .pool_size = n,
	    .dimensions = q->dimensions,
	    .vectors = vectors,
	    .sample_nos = sample_nos,
	    .classes = classes,
	    .centre = centre,
	    .class_count = q->class_count,
	    .shots = j->work->retrieve->shots,
	    .query_count = q->count,
	};
	if (!e && retrieval_new(&config, ret_retrieval) != ERR_OK)
		e = no_memory(j);
	free(vectors);
	free(sample_nos);
	free(classes);
	return e;
}

enum err job_retrieve(struct job *j)
{
	const Freeal__RetrieveOrder *order = j->work->retrieve;
	struct queries q = {0};
	struct retrieval *r = NULL;
	Freeal__Pool *pool = NULL;
	float *centre = NULL;
	size_t dimensions = 0;
	if (order->shots > SHOTS_MAX)
		return err_set(&j->msg, ERR_LIMIT, "%u shots, more than %d", order->shots,
			       SHOTS_MAX);
	enum err e = history_pool_get(j->history, order->pool_version, &pool);
	if (e)
		(void)err_set(&j->msg, e, "pool %llu: %s", (unsigned long long)order->pool_version,
			      err_str(e));
	if (!e)
		e = job_dimensions(j, &dimensions);
	if (!e)
		e = queries_init(j, &q, dimensions);
	atomic_store(&j->total, q.count);
	if (!e)
		e = job_centre(j, order->sample_count, dimensions, &centre);
	if (!e)
		e = retrieval_make(j, pool, &q, centre, &r);
	if (!e)
		e = prices_fit(j, &q, r);
	if (!e)
		e = rows_make(j, &q, r);
	if (!e) {
		struct retrieval_summary s = retrieval_summary(r);
		j->retrieve.row_count = s.row_count;
		j->retrieve.cosine_mean = s.cosine_mean;
		j->retrieve.cosine_mean_uncapped = s.cosine_mean_uncapped;
		j->retrieve.hub_share = s.hub_share;
	}
	retrieval_free(r);
	queries_done(&q);
	free(centre);
	frame_message_free(pool);
	return e;
}
