/*
 * The stand-in's answers: what it says to a prompt, in one of three modes.
 *
 * It is no language model. `replay` gives recorded answers, `simulate` draws
 * answers whose errors look like an LLM's, `offline` counts keywords. The same
 * prompt and draw always get the same answer. Immutable once made, so any number of
 * threads may ask.
 */
#ifndef FREEAL_MOCKLLM_MOCK_H
#define FREEAL_MOCKLLM_MOCK_H

#include "base/buf.h"
#include "base/err.h"
#include "mockllm/chat.h"
#include "mockllm/guess.h"

#include <stdint.h>

struct mock;

struct mock_options {
	const char *mode;	/* "replay", "simulate" or "offline" */
	const char *task;	/* task file: labels and keywords; NULL: none */
	const char *recordings; /* replay: the recorded answers */
	const char *margins;	/* simulate: gold, rival and margin of each text */
	const char *examples;	/* replay and simulate: labelled texts to give as demonstrations */
	double
	    accuracy;  /* simulate: share of zero-shot answers that is right, invalid ones wrong */
	double unsure; /* simulate: share of answers that name two labels where it may */
	uint64_t seed;
};

/* Reads every file. ERR_INVALID with a message for people. */
WARN_UNUSED enum err mock_new(const struct mock_options *options, struct mock **ret_mock,
			      struct err_msg *msg);
void mock_free(struct mock *m);

/*
 * The label of `text`, which is the request's or one of its items'. `draw` numbers the draws
 * of one prompt where answers are drawn at random. What is guessed is borrowed from the mock
 * and the request. ERR_NOT_FOUND: nothing is recorded for this model or text. ERR_INVALID: the
 * request can't be answered in this mode; both with a message for the client.
 */
WARN_UNUSED enum err mock_guess(const struct mock *m, const struct chat_request *request,
				struct chat_text text, uint64_t draw, struct guess *ret_guess,
				struct err_msg *msg);
/* Appends a JSON list of the demonstrations that the request asks for; same errors. */
WARN_UNUSED enum err mock_examples(const struct mock *m, const struct chat_request *request,
				   struct buf *out, struct err_msg *msg);
const char *mock_mode(const struct mock *m);

#endif
