/*
 * What an answered call means for its asks. Results go to the worker from here; what
 * becomes of an ask without one is its caller's to decide.
 */
#ifndef FREEAL_ANNOTATOR_UNDERSTAND_H
#define FREEAL_ANNOTATOR_UNDERSTAND_H

#include "annotator/call.h"
#include "llm/answer.h"
#include "llm/reply.h"
#include "wire/worker.h"

#include <stddef.h>

enum fate {
	FATE_DONE,     /* a result has been handed over */
	FATE_MORE,     /* one more answer is wanted; this one was all right */
	FATE_AGAIN,    /* unusable; another answer may be better */
	FATE_ALONE,    /* nothing usable among several; it is to be asked by itself */
	FATE_UNUSABLE, /* and another one would not be */
	FATE_FAILED    /* no fault of the answer: the work is to be leased again */
};

struct meaning {
	enum fate fate;
	const char *reason; /* the annotation's; "" for FATE_DONE and FATE_MORE */
	const char *text; /* the LLM's words, borrowed from the reply; NULL where there are none */
	size_t size;
};

/* Borrowed. */
struct understanding {
	const Freeal__Project *project;
	const struct answer_labels *labels;
	struct worker *worker;
};

/* Of call->asks[i] in ret_meanings[i]. All asks stay the call's. */
void understand(const struct understanding *u, const struct call *call, const struct reply *reply,
		struct meaning *ret_meanings);

/* Ends an ask that gets no more answers: the result is what there is, or `reason` and the words
 * behind it. The ask stays the caller's. */
void understand_end(const struct understanding *u, struct ask *ask,
		    const Freeal__Endpoint *endpoint, const char *reason, const char *text,
		    size_t size);

#endif
