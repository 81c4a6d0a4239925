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

/* What came of an ANNOTATE. Not owned. */
struct result_label {
	const uint32_t *class_ids;
	uint32_t class_count; /* 0: unusable; more than 1: a set of candidates */
	const char *reason;   /* why it is unusable */
	const char *text;     /* the LLM's words, or the server's error; cut at ANSWER_BYTES_MAX */
	size_t size;
	const char *reasoning; /* cut at the same */
	size_t reasoning_size;
	const float *probabilities; /* by class */
	size_t probability_count;   /* all classes', or 0 */
	uint32_t votes;		    /* usable answers behind a majority; 0: one answer */
};

void result_annotation(struct worker *w, struct ask *a, const Freeal__Endpoint *endpoint,
		       const struct result_label *label);
/* The demonstrations of a GENERATE; none and a reason where nothing usable came. */
void result_texts(struct worker *w, struct ask *a, const struct answer_texts *texts,
		  const char *reason);
/* The work could not be done; it is leased again, up to a limit. */
/* A second view; `size` 0: there is none, and `reason` says why. */
void result_view(struct worker *w, struct ask *a, const char *text, size_t size,
		 const char *reason);
void result_failed(struct worker *w, struct ask *a, const char *error);

#endif
