/* EMBED: sentence vectors of a block of samples, or of a pool's demonstrations. */
#include "base/limits.h"
#include "trainer/job_context.h"
#include "trainer/plan.h"

#include <stdio.h>
#include <stdlib.h>

#define VECTORS_PER_CHUNK (CHUNK_BYTES_TARGET / (EMBED_DIMENSIONS * sizeof(float)))

static enum err vectors_add(struct job *j, uint64_t first, const float *vectors, size_t count)
{
	size_t row_bytes = j->outcome.dimensions * sizeof *vectors;
	size_t most = CHUNK_BYTES_TARGET / row_bytes;
	enum err e = ERR_OK;
	for (size_t at = 0; !e && at < count; at += most) {
		size_t n = count - at < most ? count - at : most;
		Freeal__VectorChunk chunk = FREEAL__VECTOR_CHUNK__INIT;
		chunk.first = first + at;
		chunk.dimensions = j->outcome.dimensions;
		chunk.vectors.data = (uint8_t *)vectors + at * row_bytes;
		chunk.vectors.len = n * row_bytes;
		e = outbox_stream_add(j->outcome.stream, &chunk.base, n, &j->msg);
	}
	return e;
}

/* Vectors of rows `first` .. of `f`, numbered from `number` on. */
static enum err vectors_write(struct job *j, const struct features *f, size_t first, size_t count,
			      uint64_t number)
{
	float *vectors = malloc(VECTORS_PER_CHUNK * EMBED_DIMENSIONS * sizeof *vectors);
	if (!vectors)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the vectors");
	enum err e = ERR_OK;
	atomic_store(&j->total, count);
	for (size_t at = 0; !e && at < count; at += VECTORS_PER_CHUNK) {
		size_t n = count - at < VECTORS_PER_CHUNK ? count - at : VECTORS_PER_CHUNK;
		features_embed(f, first + at, n, vectors);
		e = vectors_add(j, number + at, vectors, n);
		if (!e)
			e = job_cancelled(j);
		atomic_store(&j->done, at + n);
	}
	free(vectors);
	return e;
}

static enum err vectors_texts_write(struct job *j, struct job_context *c, const char *const *texts,
				    const size_t *bytes, size_t count)
{
	float *vectors = malloc(count * j->outcome.dimensions * sizeof *vectors);
	if (!vectors)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the vectors");
	const struct progress progress = {&j->cancel, &j->done, &j->total};
	enum err e = job_texts_embed(j, c, texts, bytes, count, &progress, vectors);
	if (!e)
		e = vectors_add(j, 0, vectors, count);
	free(vectors);
	return e;
}

static enum err features_texts_write(struct job *j, const struct job_context *c,
				     const char *const *texts, const size_t *bytes, size_t count)
{
	struct features *f;
	enum err e = features_weigh(c->vocabulary, texts, bytes, count, &j->cancel, &f, &j->msg);
	if (e)
		return e;
	e = vectors_write(j, f, 0, count, 0);
	features_free(f);
	return e;
}

/* The demonstrations of an order. */
static enum err demonstrations_write(struct job *j, struct job_context *c,
				     const Freeal__EmbedOrder *order)
{
	const char **texts = calloc(order->n_texts, sizeof *texts);
	size_t *bytes = calloc(order->n_texts, sizeof *bytes);
	enum err e = ERR_OK;
	if (!texts || !bytes)
		e = err_set(&j->msg, ERR_NO_MEMORY, "no memory for the demonstrations");
	for (size_t i = 0; !e && i < order->n_texts; i++) {
		texts[i] = (const char *)order->texts[i].data;
		bytes[i] = order->texts[i].len;
	}
	if (!e && plan_has_vectors(j->project))
		e = vectors_texts_write(j, c, texts, bytes, order->n_texts);
	else if (!e)
		e = features_texts_write(j, c, texts, bytes, order->n_texts);
	free(texts);
	free(bytes);
	return e;
}

/* Of a file's samples at a time. */
static enum err vectors_block_write(struct job *j, struct job_context *c,
				    const Freeal__EmbedOrder *order)
{
	float *vectors = malloc(VECTORS_PER_FILE * j->outcome.dimensions * sizeof *vectors);
	if (!vectors)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the vectors");
	enum err e = ERR_OK;
	atomic_store(&j->total, order->to - order->from);
	for (uint64_t at = order->from; !e && at < order->to;) {
		uint64_t end = (at / VECTORS_PER_FILE + 1) * VECTORS_PER_FILE;
		size_t n = (size_t)((end < order->to ? end : order->to) - at);
		e = job_vectors_get(j, c, at, n, vectors);
		if (!e)
			e = vectors_add(j, at, vectors, n);
		at += n;
		atomic_store(&j->done, at - order->from);
	}
	free(vectors);
	return e;
}

static enum err block_write(struct job *j, struct job_context *c, const Freeal__EmbedOrder *order)
{
	if (plan_has_vectors(j->project))
		return vectors_block_write(j, c, order);
	size_t count = (size_t)(order->to - order->from);
	if (c->features && features_vocabulary(c->features) == c->vocabulary &&
	    order->to <= c->sample_count)
		return vectors_write(j, c->features, (size_t)order->from, count, order->from);
	struct dataset_view *v;
	struct features *f;
	enum err e = job_view_open(j, c, order->from, count, &v);
	if (e)
		return e;
	e = features_weigh(c->vocabulary, v->texts, v->text_bytes, v->count, &j->cancel, &f,
			   &j->msg);
	dataset_view_close(v);
	if (e)
		return e;
	e = vectors_write(j, f, 0, count, order->from);
	features_free(f);
	return e;
}

enum err job_embed(struct job *j, struct job_context *c)
{
	const Freeal__EmbedOrder *order = j->work->embed;
	bool kept = plan_has_vectors(j->project);
	/* An encoder's own vocabulary is fixed: the order's count is part of the name alone. */
	enum err e =
	    kept ? job_vectors_ensure(j, c) : job_vocabulary_ensure(j, c, order->vocabulary_count);
	if (e)
		return e;
	bool block = order->pool_version == 0;
	(void)snprintf(j->outcome.stream_name, sizeof j->outcome.stream_name, "%s/%llu/%llu",
		       block ? "embed" : "pool", (unsigned long long)order->vocabulary_count,
		       (unsigned long long)(block ? j->work->name->item : order->pool_version));
	j->outcome.dimensions = kept ? c->vectors.dimensions : EMBED_DIMENSIONS;
	e = job_stream_open(j, c);
	if (e)
		return e;
	return block ? block_write(j, c, order) : demonstrations_write(j, c, order);
}
