#include "trainer/supply.h"

#include "wire/folder_stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A pull of a stream that grows: its end is final for a need that it began with. */
struct row_pull {
	struct stream_pull pull;
	uint64_t want; /* rows that were needed when it began */
};

/* A pull of the published model. */
struct model_pull {
	struct stream_pull pull;
	struct folder_writer *writer; /* NULL: nothing has come */
	uint64_t checksum;	      /* that it was begun for */
	bool begun;
};

struct supply {
	struct dataset *dataset;
	const struct model_folders *models;
	struct socket *coordinator;
	struct socket *selector; /* NULL: not known yet */
	struct row_pull samples, changes;
	struct model_pull model;
	struct stream_pull selection_pull;
	struct selection *selection; /* what selection_pull fills */
	enum err malformed;	     /* a chunk broke the rules: the next check says so */
};

enum err supply_new(struct dataset *d, const struct model_folders *models,
		    struct socket *coordinator, struct supply **ret_supply)
{
	struct supply *s = calloc(1, sizeof *s);
	if (!s)
		return ERR_NO_MEMORY;
	s->dataset = d;
	s->models = models;
	s->coordinator = coordinator;
	*ret_supply = s;
	return ERR_OK;
}

static void model_pull_end(struct model_pull *p)
{
	folder_writer_free(p->writer);
	*p = (struct model_pull){0};
}

void supply_reset(struct supply *s)
{
	selection_free(s->selection);
	model_pull_end(&s->model);
	*s = (struct supply){.dataset = s->dataset,
			     .models = s->models,
			     .coordinator = s->coordinator,
			     .selector = s->selector};
}

void supply_free(struct supply *s)
{
	if (!s)
		return;
	supply_reset(s);
	free(s);
}

void supply_selector_set(struct supply *s, struct socket *selector)
{
	s->selector = selector;
}

/* Rows of a coordinator's stream: `have` of them are here, `want` are needed. */
static enum err rows_check(struct supply *s, struct row_pull *p, const char *name, uint64_t have,
			   uint64_t want, uint64_t now_ms, struct err_msg *msg)
{
	if (have >= want)
		return ERR_OK;
	if (p->pull.active)
		return ERR_AGAIN;
	bool ended = want <= p->want;
	*p = (struct row_pull){.want = ended ? 0 : want};
	if (ended)
		return err_set(msg, ERR_INVALID,
			       "the coordinator's %s end at %llu, the work needs %llu", name,
			       (unsigned long long)have, (unsigned long long)want);
	stream_pull_begin(&p->pull, s->coordinator, NULL, name, have, now_ms);
	return ERR_AGAIN;
}

static enum err selection_check(struct supply *s, const struct supply_need *need, uint64_t now_ms,
				struct err_msg *msg)
{
	const char *name = need->selection;
	struct stream_pull *p = &s->selection_pull;
	bool same =
	    s->selection && strcmp(p->name, name) == 0 && s->selection->count == need->sample_count;
	if (same && p->done && s->selection->row_count == s->selection->count)
		return ERR_OK;
	if (same && p->active)
		return ERR_AGAIN;
	selection_free(s->selection);
	s->selection = NULL;
	if (same) {
		*p = (struct stream_pull){0};
		return err_set(msg, ERR_NOT_FOUND, "the selector's stream %s is not complete",
			       name);
	}
	if (!s->selector)
		return err_set(msg, ERR_INVALID, "the selector's endpoint is not known");
	enum err e = selection_new((size_t)need->sample_count, &s->selection);
	if (e)
		return err_set(msg, e, "no memory for stream %s", name);
	stream_pull_begin(p, s->selector, NULL, name, 0, now_ms);
	return ERR_AGAIN;
}

static enum err model_check(struct supply *s, uint64_t checksum, uint64_t now_ms,
			    struct err_msg *msg)
{
	struct model_pull *p = &s->model;
	if (p->pull.active)
		return ERR_AGAIN;
	bool ended = p->begun && p->checksum == checksum;
	model_pull_end(p);
	if (model_folders_find(s->models, checksum))
		return ERR_OK;
	if (ended)
		return err_set(msg, ERR_NOT_FOUND, "the coordinator doesn't have the model %016llx",
			       (unsigned long long)checksum);
	p->begun = true;
	p->checksum = checksum;
	stream_pull_begin(&p->pull, s->coordinator, NULL, "model", 0, now_ms);
	return ERR_AGAIN;
}

enum err supply_check(struct supply *s, const struct supply_need *need, uint64_t now_ms,
		      struct err_msg *msg)
{
	if (s->malformed) {
		enum err e = s->malformed;
		s->malformed = ERR_OK;
		s->samples.want = s->changes.want = 0;
		return err_set(msg, e, "a chunk of the training set is malformed");
	}
	enum err samples = rows_check(s, &s->samples, "samples", dataset_sample_count(s->dataset),
				      need->sample_count, now_ms, msg);
	if (samples && samples != ERR_AGAIN)
		return samples;
	enum err changes = rows_check(s, &s->changes, "changes", dataset_change_count(s->dataset),
				      need->change_count, now_ms, msg);
	if (changes && changes != ERR_AGAIN)
		return changes;
	enum err selection = need->selection[0] ? selection_check(s, need, now_ms, msg) : ERR_OK;
	if (selection && selection != ERR_AGAIN)
		return selection;
	enum err model = need->model ? model_check(s, need->model_checksum, now_ms, msg) : ERR_OK;
	if (model && model != ERR_AGAIN)
		return model;
	return samples || changes || selection || model ? ERR_AGAIN : ERR_OK;
}

struct selection *supply_selection_take(struct supply *s)
{
	struct selection *selection = s->selection;
	s->selection = NULL;
	s->selection_pull = (struct stream_pull){0};
	return selection;
}

static enum err samples_store(struct supply *s, const Freeal__Chunk *chunk)
{
	Freeal__SampleChunk *body = frame_message_unpack(&freeal__sample_chunk__descriptor,
							 chunk->body.data, chunk->body.len);
	enum err e = body ? dataset_samples_add(s->dataset, chunk->seq, body) : ERR_PROTOCOL;
	frame_message_free(body);
	return e;
}

static enum err changes_store(struct supply *s, const Freeal__Chunk *chunk)
{
	Freeal__ChangeChunk *body = frame_message_unpack(&freeal__change_chunk__descriptor,
							 chunk->body.data, chunk->body.len);
	enum err e = body ? dataset_changes_add(s->dataset, chunk->seq, body) : ERR_PROTOCOL;
	frame_message_free(body);
	return e;
}

static enum err selection_store(struct supply *s, const Freeal__Chunk *chunk)
{
	Freeal__SelectionChunk *body = frame_message_unpack(&freeal__selection_chunk__descriptor,
							    chunk->body.data, chunk->body.len);
	if (body && s->selection)
		selection_add(s->selection, body);
	enum err e = body ? ERR_OK : ERR_PROTOCOL;
	frame_message_free(body);
	return e;
}

/* Published with the last chunk; the next check finds it, or not. */
static enum err model_store(struct supply *s, const Freeal__Chunk *chunk)
{
	struct model_pull *p = &s->model;
	struct err_msg msg;
	enum err e = p->writer ? ERR_OK : folder_writer_new(s->models->pulled, &p->writer, &msg);
	if (!e)
		e = folder_writer_add(p->writer, &chunk->body, &msg);
	if (!e && p->pull.done)
		e = folder_writer_publish(p->writer, &msg);
	return e;
}

enum err supply_chunk(struct supply *s, const Freeal__Chunk *chunk, uint64_t now_ms)
{
	struct stream_pull *p;
	enum err e;
	/* Stored before the next one is asked for; a pull that broke the rules ends. */
	if (stream_pull_take(p = &s->samples.pull, s->coordinator, chunk, now_ms) == ERR_OK)
		e = samples_store(s, chunk);
	else if (stream_pull_take(p = &s->changes.pull, s->coordinator, chunk, now_ms) == ERR_OK)
		e = changes_store(s, chunk);
	else if (stream_pull_take(p = &s->model.pull, s->coordinator, chunk, now_ms) == ERR_OK)
		e = model_store(s, chunk);
	else if (s->selector &&
		 stream_pull_take(p = &s->selection_pull, s->selector, chunk, now_ms) == ERR_OK)
		e = selection_store(s, chunk);
	else
		return ERR_OK;
	if (e == ERR_PROTOCOL || e == ERR_LIMIT) {
		*p = (struct stream_pull){0};
		s->malformed = e;
		return ERR_OK;
	}
	return e;
}

uint64_t supply_tick(struct supply *s, uint64_t now_ms)
{
	uint64_t next_ms = stream_pull_tick(&s->samples.pull, s->coordinator, now_ms);
	uint64_t due_ms = stream_pull_tick(&s->changes.pull, s->coordinator, now_ms);
	if (due_ms < next_ms)
		next_ms = due_ms;
	due_ms = stream_pull_tick(&s->model.pull, s->coordinator, now_ms);
	if (due_ms < next_ms)
		next_ms = due_ms;
	if (s->selector) {
		due_ms = stream_pull_tick(&s->selection_pull, s->selector, now_ms);
		if (due_ms < next_ms)
			next_ms = due_ms;
	}
	return next_ms;
}
