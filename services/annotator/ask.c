#include "annotator/ask.h"

#include "wire/frame.h"

#include <stdlib.h>

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
	freeal__usage__init(&a->usage);
	return a;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	freeal__work__free_unpacked(a->work, NULL);
	free(a);
}
