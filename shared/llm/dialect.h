/*
 * Which of the parameters of a chat-completions request a server takes. Zeroed: all of
 * them. Pure.
 */
#ifndef FREEAL_LLM_DIALECT_H
#define FREEAL_LLM_DIALECT_H

#include <stdbool.h>

struct dialect {
	bool max_completion_tokens; /* instead of max_tokens */
	bool no_temperature;
	bool no_response_format;
	bool no_choice;	  /* structured_outputs, guided_choice */
	bool no_logprobs; /* logprobs, top_logprobs */
	bool no_n;
	bool no_seed;
	bool no_effort; /* reasoning_effort */
};

#endif
