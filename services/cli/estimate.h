/*
 * What a task will ask of LLM servers, step by step, before anything is asked. Pure.
 *
 * Expected: the requests that a run without errors sends. Four bytes of text are a token, and each
 * message has four tokens more; texts have the input's mean size, demonstrations too. An answer is
 * a label's name, in JSON six tokens more; where the LLM reasons, a quarter of reasoning_tokens.
 * Several answers to a question come with one request (parameter n).
 * What all prompts of a step begin with is taken to come from the server's cache from 1,024 tokens
 * on, in steps of 128, as OpenAI does it.
 *
 * At most: what the budget has to have for it (llm/price.h): each byte is a token, demonstrations
 * are as long as the longest text, all attempts are needed, answers are as long as they may be.
 *
 * In neither are requests that a server fails, and tokens that a model thinks unseen (effort).
 */
#ifndef FREEAL_CLI_ESTIMATE_H
#define FREEAL_CLI_ESTIMATE_H

#include "cli/survey.h"
#include "config/task.h"
#include "llm/price.h"
#include "proto/project.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum estimate_step {
	ESTIMATE_GENERATE,
	ESTIMATE_AUGMENT,
	ESTIMATE_EMBED,
	ESTIMATE_ROUND,
};

struct estimate_row {
	enum estimate_step step;
	uint32_t round;
	const Freeal__Llm *llm; /* the project's; NULL: its embeddings */
	uint64_t asked;		/* samples; GENERATE: labels */
	double requests;
	double tokens_in; /* of all requests, as the others */
	double tokens_cached;
	double tokens_out;
	double usd;
	bool priced; /* at every endpoint of it */
	struct price_bound most;
	double minutes; /* that the endpoints' limits need; below 0: there are none */
};

struct estimate {
	struct estimate_row *rows; /* in the order of a run */
	size_t row_count;
	struct estimate_row sum; /* minutes, requests, tokens, prices */
};

/* `project` is the task's, and is borrowed. */
WARN_UNUSED enum err estimate_new(const struct task *task, const Freeal__Project *project,
				  const struct survey *survey, struct estimate **ret_estimate,
				  struct err_msg *msg);
void estimate_free(struct estimate *e);

/* Endpoint `at` of a row; there are `count`. */
const Freeal__Endpoint *estimate_endpoint(const Freeal__Project *project,
					  const struct estimate_row *row, size_t at);
size_t estimate_endpoint_count(const struct estimate_row *row);

#endif
