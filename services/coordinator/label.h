/*
 * label_resolve: the current label of a sample as a pure function of its history.
 *
 * A human's label stands first; else the latest usable answer of an LLM (later rounds and
 * slots replace earlier ones, an unusable answer replaces nothing); else the SLM's
 * out-of-fold label. The selector may overrule a valid answer where it estimates a gain.
 * Where the answer is a set of candidates, the label is the one of them that the SLM finds
 * likeliest out of fold, and before it has judged the one that the LLM named first.
 */
#ifndef FREEAL_COORDINATOR_LABEL_H
#define FREEAL_COORDINATOR_LABEL_H

#include "proto/record.pb-c.h"
#include "proto/stream.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABEL_NONE (-1)
#define LABEL_SET (-2) /* one of several */

struct label_resolved {
	int32_t class_id; /* -1: none yet */
	Freeal__LabelSource source;
	uint32_t round;
	float confidence;	    /* 0 where nothing is known */
	int32_t llm_class_id;	    /* latest usable answer of an LLM, -1: none, or a set */
	const uint32_t *candidates; /* that set; borrowed from the event */
	size_t candidate_count;	    /* 0: no set */
	const char *llm_reason;	    /* why there is none; borrowed from the last event; NULL */
	bool asked;
};

/* `events` in order of (round, slot); `selection` NULL before the first SELECT. */
struct label_resolved label_resolve(const Freeal__LabelEvent *const *events, size_t event_count,
				    const Freeal__SelectionRow *selection);

/* Class of a payload: a single class, LABEL_SET for a set of candidates, else LABEL_NONE. */
int32_t label_class(const Freeal__Annotation *annotation);
/* A class id behind all that the payload names; 0: it names none. */
uint32_t label_class_end(const Freeal__Annotation *annotation);

#endif
