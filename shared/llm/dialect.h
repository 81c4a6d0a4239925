/*
 * Which of the parameters of a chat-completions request a server takes, learned from what it
 * rejects. Zeroed: all of them. Pure.
 */
#ifndef FREEAL_LLM_DIALECT_H
#define FREEAL_LLM_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

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

/*
 * Reads the body of a 400 or 422 reply to a request in the dialect `sent`. True: it says that
 * the server does not take a parameter that may have been in it, so that another request can do
 * better; `d` does without that parameter from now on, and *ret_name is its name, or NULL where
 * `d` did already.
 */
bool dialect_learn(struct dialect *d, const struct dialect *sent, const char *body, size_t size,
		   const char **ret_name);

#endif
