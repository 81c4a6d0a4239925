/*
 * The API without HTTP: a whole request in, an answer out. Any number of threads may call.
 *
 *	POST		/v1/chat/completions, /v1/embeddings
 *	GET		/v1/models, /v1/models/ID
 *	POST, GET	/v1/files (purpose=batch)
 *	GET, DELETE	/v1/files/ID, GET /v1/files/ID/content
 *	POST, GET	/v1/batches, GET /v1/batches/ID, POST /v1/batches/ID/cancel
 *	GET		/healthz, /mock/stats
 *
 * The same as Azure has it: /openai/deployments/NAME/chat/completions (and embeddings), and
 * /openai/... for the other ones, with the query's api-version.
 */
#ifndef FREEAL_MOCKLLM_API_H
#define FREEAL_MOCKLLM_API_H

#include "base/clock.h"
#include "mockllm/batches.h"
#include "mockllm/chat.h"
#include "mockllm/counts.h"
#include "mockllm/files.h"
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
	const char *key;    /* that requests must have; NULL: any or none */
	uint64_t batch_ms;  /* until a batch is done */
};

/* Strings are NULL where the request has none. */
struct api_request {
	const char *method;
	const char *path;
	const char *authorization;
	const char *api_key; /* the header */
	const char *content_type;
	const char *api_version; /* these are the query's */
	const char *limit;
	const char *after;
	const char *purpose;
	struct chat_text body;
	bool too_long; /* longer than api_body_max(); `body` is not all of it */
	/* Filled in on the way to a handler. */
	const char *deployment; /* Azure's, in place of the model */
	const char *id;		/* of the path */
};

/* For the handlers of single paths; everybody else uses the functions below. */
struct api {
	struct api_options options;
	struct clock clock;
	uint64_t start_ms;
	pthread_mutex_t lock; /* guards the next three, the script and the record */
	struct counts counts;
	struct rate rate;
	struct prefixes prefixes;
	pthread_mutex_t jobs_lock; /* guards files and batches; taken before `lock` */
	struct files files;
	struct batches batches;
};

void api_init(struct api *api, const struct api_options *options);
void api_done(struct api *api);

/* The longest body that a path takes. */
size_t api_body_max(const char *path);
/* `ret_outcome` is an outcome that was just initialised. */
void api_handle(struct api *api, const struct api_request *request, struct outcome *ret_outcome);
/* The answer was sent, or its client has gone. */
void api_sent(struct api *api, const struct outcome *outcome);

#endif
