/*
 * The parameters of a chat request that change its answer. What is not named here is
 * ignored, as servers do. Pure functions.
 */
#ifndef FREEAL_MOCKLLM_PARAMS_H
#define FREEAL_MOCKLLM_PARAMS_H

#include "base/err.h"
#include "mockllm/chat.h"

#include <stdbool.h>
#include <stdint.h>

struct json_t;

enum {
	PARAMS_CHOICES_MAX = 128,
	PARAMS_STOPS_MAX = 16,
	PARAMS_TOP_MAX = 20,
	PARAMS_TOKENS_DEFAULT = 16, /* counted against limits where no maximum is given */
};

/* The form an answer must have. */
enum params_format {
	PARAMS_TEXT,
	PARAMS_OBJECT, /* response_format json_object */
	PARAMS_SCHEMA, /* response_format json_schema, or vLLM's structured_outputs.json */
	PARAMS_CHOICE, /* vLLM's guided_choice or structured_outputs.choice */
};

/* Borrows from the request's body. */
struct params {
	uint64_t tokens_max;	   /* max_completion_tokens, else max_tokens; 0: any number */
	uint32_t choices;	   /* n */
	double temperature;	   /* 1 where not given */
	const struct json_t *seed; /* an integer, or NULL */
	struct chat_text stops[PARAMS_STOPS_MAX];
	size_t stop_count;
	bool logprobs;
	uint32_t top_logprobs;
	uint32_t reasoning_tokens; /* what reasoning_effort comes to */
	bool stream;
	bool stream_usage;
	enum params_format format;
	const struct json_t *schema; /* of PARAMS_SCHEMA, or the list of PARAMS_CHOICE */
};

/* ERR_INVALID with a message for the client and the parameter's name. */
WARN_UNUSED enum err params_parse(struct params *ret_params, const struct json_t *body,
				  const char **ret_name, struct err_msg *msg);

/* The first name of a list such as "seed,logprobs" that is a member of `body`; else size 0. */
struct chat_text params_find(const struct json_t *body, const char *names);

/* The number under which the choice is drawn: 0 for all where the temperature is 0. */
uint64_t params_draw(const struct params *p, uint32_t choice);

#endif
