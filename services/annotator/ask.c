#include "annotator/ask.h"

#include "base/limits.h"
#include "llm/prompt.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

struct ask *ask_new(const Freeal__Work *work)
{
	struct ask *a = calloc(1, sizeof *a);
	if (a)
		a->work = frame_message_copy(&work->base);
	if (!a || !a->work) {
		free(a);
		return NULL;
	}
	a->ask_no = 1;
	a->avoid = ASK_ENDPOINT_NONE;
	a->keyed = ASK_ENDPOINT_NONE;
	freeal__usage__init(&a->usage);
	return a;
}

void ask_bad_set(struct ask *a, const char *reason, const char *text, size_t size)
{
	free(a->bad);
	if (size > PROMPT_BAD_BYTES_MAX)
		size = PROMPT_BAD_BYTES_MAX;
	a->bad_reason = reason;
	a->bad = size ? malloc(size) : NULL;
	a->bad_size = a->bad ? size : 0;
	if (a->bad)
		memcpy(a->bad, text, size);
}

void ask_answers_forget(struct ask *a)
{
	votes_done(&a->votes);
	free(a->bad);
	a->bad = NULL;
	a->bad_size = 0;
	a->bad_reason = NULL;
	a->slot = 0;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	while (a->replies) {
		struct ask_reply *next = a->replies->next;
		free(a->replies);
		a->replies = next;
	}
	freeal__work__free_unpacked(a->work, NULL);
	ask_answers_forget(a);
	free(a);
}

void ask_reply_add(struct ask *a, const struct key *key, const void *body, size_t size)
{
	if (size == 0 || size > KEPT_REPLY_BYTES_MAX ||
	    a->reply_bytes + size > KEPT_RESULT_BYTES_MAX)
		return;
	struct ask_reply *r = malloc(sizeof *r + size);
	if (!r)
		return;
	r->key = *key;
	r->size = size;
	memcpy(r->body, body, size);
	r->next = a->replies;
	a->replies = r;
	a->reply_bytes += size;
}
