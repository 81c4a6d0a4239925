#include "annotator/annotator_impl.h"

#include "base/log.h"
#include "llm/key.h"
#include "wire/work.h"

#include <string.h>

static void ask_ready(struct annotator *a, struct ask *ask)
{
	queue_push(&a->queues[queue_of(a, ask->work->name)], ask);
}

/* The key is that of the request as a server of OpenAI's takes it, whatever this one lacks: what
 * is learned of a server meanwhile must not make it another question. */
bool ask_key_set(struct annotator *a, struct ask *ask, const struct lane *lane)
{
	static const struct dialect whole;
	struct err_msg msg;
	struct buf *body = &a->key_body;
	if (!a->project->cache)
		return false;
	if (ask->keyed == lane->position)
		return true;
	buf_reset(body);
	const struct order_address to = {llm_of(a, ask), lane->endpoint, &whole};
	uint64_t first_id;
	enum err e = order_body_write(&a->orders, &to, &ask, 1, &first_id, body, &msg);
	if (!e)
		e = buf_error(body);
	if (!e) {
		ask->key = key_make("/chat/completions", ask->slot, body->data, body->size);
		ask->keyed = lane->position;
	}
	return !e;
}

/* An endpoint of the ask's, behind the one that was looked at last, whose question is another one;
 * NULL: there is no more. */
static const struct lane *lane_next(const struct annotator *a, const struct ask *ask)
{
	const Freeal__Llm *llm = llm_of(a, ask);
	bool behind = ask->keyed == ASK_ENDPOINT_NONE;
	for (size_t i = 0; i < llm->n_endpoints; i++) {
		const struct lane *l = a->lanes[llm->endpoints[i]];
		bool known = !behind;
		for (size_t k = 0; behind && k < i; k++)
			known |= strcmp(a->lanes[llm->endpoints[k]]->endpoint->model,
					l->endpoint->model) == 0;
		if (!known)
			return l;
		behind |= l->position == ask->keyed;
	}
	return NULL;
}

/* Looks the ask up under the next of its endpoints; else it is to be sent. */
static void ask_look(struct annotator *a, struct ask *ask)
{
	const struct lane *l = a->project->cache ? lane_next(a, ask) : NULL;
	if (!l || !ask_key_set(a, ask, l) || recall_push(&a->recall, &ask->key, ask))
		ask_ready(a, ask);
}

void ask_put(struct annotator *a, struct ask *ask)
{
	ask->keyed = ASK_ENDPOINT_NONE;
	ask_look(a, ask);
	a->dirty = true;
}

/* A kept reply is taken like one that came now. But an unusable one is not believed for ever:
 * where no other question follows, it is put again. */
static void ask_recalled(struct annotator *a, struct ask *ask, const void *body, size_t size)
{
	struct lane *lane = a->lanes[ask->keyed];
	struct call *call = call_new(lane, 1);
	if (!call) {
		ask_ready(a, ask);
		return;
	}
	const struct understanding u = {
	    .project = a->project, .labels = a->labels, .worker = a->worker};
	struct reply reply;
	struct meaning m;
	reply_parse(body, size, &reply);
	ask->usage.recalled++;
	call->asks[call->ask_count++] = ask;
	understand(&u, call, &reply, &m);
	call->asks[0] = NULL;
	call_free(call);
	bool last = m.fate == FATE_UNUSABLE ||
		    (m.fate == FATE_AGAIN && ask->ask_no >= llm_of(a, ask)->attempts_max);
	if (last) {
		ask->usage.recalled--;
		ask_answers_forget(ask);
		ask->keyed = ASK_ENDPOINT_NONE;
		ask_ready(a, ask);
	} else {
		a->recalled++;
		ask_meant(a, ask, lane->endpoint, &m);
	}
	reply_done(&reply);
}

static void known(void *context, void *cookie, const void *body, size_t size)
{
	struct annotator *a = context;
	struct ask *ask = cookie;
	if (body)
		ask_recalled(a, ask, body, size);
	else
		ask_look(a, ask);
}

void lookups_take(struct annotator *a, const Freeal__Recalled *recalled)
{
	recall_take(&a->recall, recalled, known, a);
}

void lookups_renew(struct annotator *a)
{
	struct recall old = a->recall;
	a->recall = (struct recall){0};
	for (struct ask *ask; (ask = recall_find(&old, NULL, NULL));) {
		(void)recall_remove(&old, ask);
		if (queue_llm(a, queue_of(a, ask->work->name)))
			ask_put(a, ask);
		else
			ask_return(a, ask, "the round is gone");
	}
	recall_done(&old);
}

static bool ask_is(const void *cookie, const void *what)
{
	return work_name_equal(((const struct ask *)cookie)->work->name, what);
}

struct ask *lookup_remove(struct annotator *a, const Freeal__WorkName *name)
{
	struct ask *ask = recall_find(&a->recall, ask_is, name);
	if (ask)
		(void)recall_remove(&a->recall, ask);
	return ask;
}

void lookups_done(struct annotator *a)
{
	for (struct ask *ask; (ask = recall_find(&a->recall, NULL, NULL));) {
		(void)recall_remove(&a->recall, ask);
		ask_free(ask);
	}
	recall_done(&a->recall);
}
