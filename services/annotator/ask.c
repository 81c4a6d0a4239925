#include "annotator/ask.h"

#include "base/limits.h"
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
