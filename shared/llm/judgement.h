/*
 * What the outcome of one request to a server says about it: send it again, wait, give it up, or
 * call for a person. Pure.
 */
#ifndef FREEAL_LLM_JUDGEMENT_H
#define FREEAL_LLM_JUDGEMENT_H

#include "llm/client.h"

#include <stdbool.h>
#include <stdint.h>

/* What came of one request. */
struct outcome {
	enum transfer transfer;
	uint32_t status;  /* HTTP; 0 unless TRANSFER_DONE */
	const char *code; /* error.code, or error.type, of the body; "" where there is none */
	uint64_t retry_after_ms; /* as the server asked, unclamped; or RETRY_AFTER_NONE */
	bool malformed;		 /* status 200, but no reply could be read from the body */
};

enum verdict {
	VERDICT_ANSWER,	 /* read the reply */
	VERDICT_RETRY,	 /* send it again, a failure of this request alone */
	VERDICT_PAUSE,	 /* send it again; the endpoint wants fewer requests. Costs no try */
	VERDICT_BLOCK,	 /* a person has to do something first. Costs no try */
	VERDICT_UNUSABLE /* this request will never be answered */
};

struct judgement {
	enum verdict verdict;
	const char *reason; /* static; a word for people and annotations, "" for an answer */
};

struct judgement judgement_of(const struct outcome *o);

#endif
