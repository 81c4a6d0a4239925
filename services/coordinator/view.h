/*
 * Samples as people see them: everything known of one, read in ascending order. For the
 * labels file and the report; on any thread, by read transactions of its own.
 */
#ifndef FREEAL_COORDINATOR_VIEW_H
#define FREEAL_COORDINATOR_VIEW_H

#include "coordinator/label.h"
#include "coordinator/tables.h"

#include <stdbool.h>
#include <stdint.h>

struct view;

struct view_row {
	uint64_t sample_no;
	const char *id; /* not terminated */
	size_t id_bytes;
	struct label_resolved label;
	const Freeal__SelectionRow *selection;	 /* NULL before the first SELECT */
	bool demonstration;			 /* member of the last pool */
	int32_t gold;				 /* -1: none */
	int32_t llm_first;			 /* class of round 0's answer, -1: none */
	int32_t predicted;			 /* class by the final model, -1: none */
	const Freeal__LabelEvent *const *events; /* in order of (round, slot) */
	size_t event_count;
};

/* `store` must outlive it. */
enum err view_new(struct store *store, struct view **ret_view) WARN_UNUSED;
void view_free(struct view *v);

/* Next sample; valid until the next call. ERR_NOT_FOUND: there are no more. Each call
 * reads from a snapshot that is renewed every few hundred samples, so that none is held
 * open while a slow reader waits. */
enum err view_next(struct view *v, struct view_row *ret_row) WARN_UNUSED;

#endif
