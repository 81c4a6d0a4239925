/*
 * Which beginnings of prompts were seen before, as providers' prompt caches do: the longest
 * one in steps of 128 tokens from 1,024 on. Remembers at most PREFIXES_MAX steps and forgets
 * by chance. The caller sees to it that one thread at a time calls.
 */
#ifndef FREEAL_MOCKLLM_PREFIXES_H
#define FREEAL_MOCKLLM_PREFIXES_H

#include "mockllm/chat.h"

#include <stdint.h>

enum {
	PREFIXES_MAX = 1 << 16,
	PREFIXES_STEP_TOKENS = 128,
	PREFIXES_TOKENS_MIN = 1024,
	PREFIXES_STEPS_MAX = 2048,
};

struct prefixes {
	uint64_t hashes[PREFIXES_MAX]; /* 0: none */
};

/* A hash for each whole step of the request's messages; what comes behind the last is left out. */
struct prefix_steps {
	uint64_t hashes[PREFIXES_STEPS_MAX];
	size_t count;
};

void prefix_steps_find(struct prefix_steps *ret_steps, const struct chat_request *request);
/* The tokens of the longest known prefix; knows all of them from then on. */
uint64_t prefixes_seen(struct prefixes *p, const struct prefix_steps *steps);

#endif
