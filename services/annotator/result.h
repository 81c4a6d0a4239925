/*
 * Results of an ask, handed to the worker. Each ends the lease; the ask stays the
 * caller's to free.
 */
#ifndef FREEAL_ANNOTATOR_RESULT_H
#define FREEAL_ANNOTATOR_RESULT_H

#include "annotator/ask.h"
#include "llm/answer.h"
#include "proto/project.pb-c.h"
#include "wire/worker.h"

#include <stddef.h>
#include <stdint.h>

/* The answer to an ANNOTATE: a class, or ANSWER_NONE and a reason. `text` is the LLM's
 * words (or the server's error), kept up to ANSWER_BYTES_MAX. */
void result_annotation(struct worker *w, struct ask *a, const Freeal__Endpoint *endpoint,
		       int32_t class_id, const char *reason, const char *text, size_t size);
/* The demonstrations of a GENERATE; none and a reason where nothing usable came. */
void result_texts(struct worker *w, struct ask *a, const struct answer_texts *texts,
		  const char *reason);
/* The work could not be done; it is leased again, up to a limit. */
void result_failed(struct worker *w, struct ask *a, const char *error);

#endif
