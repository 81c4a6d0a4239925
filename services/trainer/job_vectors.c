/* Sentence vectors by the project's embeddings endpoint or its encoder: each sample's is computed
 * once and kept. */
#include "base/rng.h"
#include "llm/usage.h"
#include "trainer/job_context.h"
#include "trainer/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err job_encoder_error(enum err e)
{
	return e == ERR_CORRUPT || e == ERR_NOT_FOUND ? ERR_INVALID : e;
}

static enum err vectors_folder_set(struct job *j, struct job_context *c)
{
	struct vectors *v = &c->vectors;
	if (snprintf(v->folder, sizeof v->folder, "%s/" JOB_VECTORS_NAME, c->dir) >=
	    (int)sizeof v->folder)
		return err_set(&j->msg, ERR_LIMIT, "%s: the path is too long", c->dir);
	return ERR_OK;
}

enum err job_encoder_ensure(struct job *j, struct job_context *c)
{
	if (c->encoder)
		return ERR_OK;
	const Freeal__Model *m = j->project->model;
	const struct encoder_options options = plan_options(m, c->thread_count);
	enum err e = encoder_open(m->path, &options, &c->encoder, &j->msg);
	if (e) /* The data that is ours is as it was. */
		return err_prefix(&j->msg, ERR_INVALID, "model.path");
	if (j->project->embeddings)
		return ERR_OK;
	uint64_t key = hash_bytes(m->tokens, j->project->id.data, j->project->id.len);
	c->vectors.key = vectors_key(hash_bytes(key, m->precision, strlen(m->precision)), m->path);
	c->vectors.dimensions = encoder_dimensions(c->encoder);
	return vectors_folder_set(j, c);
}

static enum err embedder_ensure(struct job *j, struct job_context *c)
{
	if (c->embedder)
		return ERR_OK;
	const Freeal__Embeddings *s = j->project->embeddings;
	uint64_t key = hash_bytes(s->dimensions, j->project->id.data, j->project->id.len);
	key = hash_bytes(key, s->endpoint->url, strlen(s->endpoint->url));
	key = hash_bytes(key, s->endpoint->model, strlen(s->endpoint->model));
	enum err e = embedder_new(s, hash_mix(j->project->seed, key), &c->embedder, &j->msg);
	if (!e)
		e = embedder_dimensions(c->embedder, &j->cancel, &c->vectors.dimensions, &j->msg);
	c->vectors.key = key;
	if (!e)
		e = vectors_folder_set(j, c);
	if (e) {
		embedder_free(c->embedder);
		c->embedder = NULL;
	}
	return e;
}

enum err job_vectors_ensure(struct job *j, struct job_context *c)
{
	return j->project->embeddings ? embedder_ensure(j, c) : job_encoder_ensure(j, c);
}

static void usage_note(struct job *j, struct job_context *c)
{
	Freeal__Usage used = FREEAL__USAGE__INIT;
	embedder_usage_take(c->embedder, &used);
	usage_add(&j->outcome.usage, &used);
}

enum err job_texts_embed(struct job *j, struct job_context *c, const char *const *texts,
			 const size_t *sizes, size_t count, const struct progress *progress,
			 float *ret_vectors)
{
	if (!j->project->embeddings) {
		enum err e =
		    encoder_embed(c->encoder, texts, sizes, count, progress, ret_vectors, &j->msg);
		return e ? job_encoder_error(e) : ERR_OK;
	}
	enum err e = embedder_run(c->embedder, texts, sizes, count, &j->cancel,
				  c->vectors.dimensions, ret_vectors, &j->msg);
	usage_note(j, c);
	return e;
}

/* Computes rows `have` .. `want` - 1 of a block and keeps the whole. */
static enum err block_embed(struct job *j, struct job_context *c, uint64_t block, size_t have,
			    size_t want, float *rows)
{
	struct dataset_view *v;
	uint64_t first = block * VECTORS_PER_FILE + have;
	enum err e = job_view_open(j, c, first, want - have, &v);
	if (e)
		return e;
	struct progress progress = {.cancel = &j->cancel};
	e = job_texts_embed(j, c, v->texts, v->text_bytes, v->count, &progress,
			    rows + have * c->vectors.dimensions);
	dataset_view_close(v);
	return e ? e : vectors_save(&c->vectors, block, rows, want, &j->msg);
}

enum err job_vectors_get(struct job *j, struct job_context *c, uint64_t first, size_t count,
			 float *ret_vectors)
{
	enum err e = job_vectors_ensure(j, c);
	if (e)
		return e;
	size_t dimensions = c->vectors.dimensions;
	float *rows = malloc(VECTORS_PER_FILE * dimensions * sizeof *rows);
	if (!rows)
		return err_set(&j->msg, ERR_NO_MEMORY, "no memory for the vectors");
	for (size_t done = 0; !e && done < count;) {
		uint64_t number = first + done, block = number / VECTORS_PER_FILE;
		size_t at = (size_t)(number % VECTORS_PER_FILE), n = VECTORS_PER_FILE - at;
		if (n > count - done)
			n = count - done;
		size_t have = vectors_load(&c->vectors, block, rows);
		if (have < at + n)
			e = block_embed(j, c, block, have, at + n, rows);
		if (!e)
			e = job_cancelled(j);
		if (!e)
			memcpy(ret_vectors + done * dimensions, rows + at * dimensions,
			       n * dimensions * sizeof *rows);
		done += n;
	}
	free(rows);
	return e;
}
