/* EMBED: sentence vectors of a block of samples, or of a pool's demonstrations. */
#include "base/limits.h"
#include "trainer/job_context.h"

#include <stdio.h>
#include <stdlib.h>

#define VECTORS_PER_CHUNK (CHUNK_BYTES_TARGET / (EMBED_DIMENSIONS * sizeof(float)))

static enum err vectors_add(struct job *j, uint64_t first, const float *vectors, size_t count)
{
	Freeal__VectorChunk chunk = FREEAL__VECTOR_CHUNK__INIT;
	chunk.first = first;
	chunk.dimensions = EMBED_DIMENSIONS;
	chunk.vectors.data = (uint8_t *)vectors;
	chunk.vectors.len = count * EMBED_DIMENSIONS * sizeof *vectors;
	return outbox_stream_add(j->outcome.stream, &chunk.base, count, &j->msg);
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

/* The demonstrations of an order. */
static enum err demonstrations_write(struct job *j, const struct job_context *c,
				     const Freeal__EmbedOrder *order)
{
	const char **texts = calloc(order->n_texts, sizeof *texts);
	size_t *bytes = calloc(order->n_texts, sizeof *bytes);
	struct features *f = NULL;
	enum err e = ERR_OK;
	if (!texts || !bytes)
		e = err_set(&j->msg, ERR_NO_MEMORY, "no memory for the demonstrations");
	for (size_t i = 0; !e && i < order->n_texts; i++) {
		texts[i] = (const char *)order->texts[i].data;
		bytes[i] = order->texts[i].len;
	}
	if (!e)
		e = features_weigh(c->vocabulary, texts, bytes, order->n_texts, &j->cancel, &f,
				   &j->msg);
	if (!e)
		e = vectors_write(j, f, 0, order->n_texts, 0);
	features_free(f);
	free(texts);
	free(bytes);
	return e;
}

static enum err block_write(struct job *j, struct job_context *c, const Freeal__EmbedOrder *order)
{
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
	enum err e = job_vocabulary_ensure(j, c, order->vocabulary_count);
	if (e)
		return e;
	bool block = order->pool_version == 0;
	(void)snprintf(j->outcome.stream_name, sizeof j->outcome.stream_name, "%s/%llu/%llu",
		       block ? "embed" : "pool", (unsigned long long)order->vocabulary_count,
		       (unsigned long long)(block ? j->work->name->item : order->pool_version));
	j->outcome.dimensions = EMBED_DIMENSIONS;
	e = job_stream_open(j, c);
	if (e)
		return e;
	return block ? block_write(j, c, order) : demonstrations_write(j, c, order);
}
