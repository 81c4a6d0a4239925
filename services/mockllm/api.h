/*
 * The API without HTTP: a whole request in, an answer out. Any number of threads may call.
 *
 *	POST /v1/chat/completions, GET /v1/models, GET /healthz, GET /mock/stats
 */
#ifndef FREEAL_MOCKLLM_API_H
#define FREEAL_MOCKLLM_API_H

#include "base/clock.h"
#include "mockllm/chat.h"
#include "mockllm/counts.h"
#include "mockllm/mock.h"
#include "mockllm/outcome.h"
#include "mockllm/prefixes.h"
#include "mockllm/rate.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* All borrowed while the API lives. */
struct api_options {
	const struct mock *mock;
	struct script *script;	      /* NULL: no faults */
	FILE *record;		      /* gets one JSON line per chat request; NULL: none */
	uint64_t requests_per_minute; /* 0: no limit */
	uint64_t tokens_per_minute;
	const char *strict; /* parameters that are refused, commas between them; NULL: none */
};

/* Strings are NULL where the request has none. */
struct api_request {
	const char *method;
	const char *path;
	const char *authorization;
	struct chat_text body;
	bool too_long; /* longer than CHAT_BODY_MAX; `body` is not all of it */
};

/* For the handlers of single paths; everybody else uses the functions below. */
struct api {
	struct api_options options;
	struct clock clock;
	uint64_t start_ms;
	pthread_mutex_t lock; /* guards all below, the script and the record */
	struct counts counts;
	struct rate rate;
	struct prefixes prefixes;
};

void api_init(struct api *api, const struct api_options *options);
void api_done(struct api *api);

/* `ret_outcome` is an outcome that was just initialised. */
void api_handle(struct api *api, const struct api_request *request, struct outcome *ret_outcome);
/* The answer was sent, or its client has gone. */
void api_sent(struct api *api, const struct outcome *outcome);

#endif
