/*
 * The round state machine: pure functions of the project, the state and what the phase
 * that ended brought. No store, no clock, no sockets.
 *
 *   INGEST → [GENERATE] → EMBED → [RETRIEVE] → ANNOTATE → TRAIN → SELECT → DECIDE
 *   DECIDE → [RETRIEVE] → ANNOTATE … of the next round, or FINAL_TRAIN → PREDICT → DONE
 *   DONE → EMBED … of a catch-up round, when samples came later: it asks these alone, with
 *   the last round's settings
 *
 * The work of a phase is numbered 0 .. round_work_count-1; round_work_name and
 * round_work_index translate to and from the names on the bus.
 */
#ifndef FREEAL_COORDINATOR_ROUND_H
#define FREEAL_COORDINATOR_ROUND_H

#include "base/err.h"
#include "proto/project.pb-c.h"
#include "proto/record.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

/* Samples per EMBED and PREDICT block. */
#define ROUND_BLOCK 65536u

/* What the phase that ended brought. */
struct round_outcome {
	uint64_t sample_count; /* INGEST, DONE: samples there */
	uint64_t pool_count;   /* GENERATE: demonstrations in the first pool */
	/* DECIDE: this round's SELECT, and the one before (NULL: there was none). */
	const Freeal__SelectResult *select;
	const Freeal__SelectResult *select_before;
};

/* The state behind the current one, whose work is all settled. In INGEST: once `started`
 * is set and there are samples. The result owns nothing: `stop_reason` is static. */
Freeal__StateRecord round_next(const Freeal__Project *project, const Freeal__StateRecord *state,
			       const struct round_outcome *outcome);

/* Why there should be no further round, or NULL. With rounds written out as a list all are
 * run; given as a number, they end when the likelihood of the labels no longer improves by
 * more than its error, or when asking again is expected to mend less than 0.5 % of the
 * calls. Gold plays no part. */
const char *round_stop_reason(const Freeal__Project *project, uint32_t round,
			      const struct round_outcome *outcome);

/* Number of works in the state's phase; for ANNOTATE the samples below the watermark,
 * of which later rounds exclude those that are not asked again. 0: nothing to lease. */
uint64_t round_work_count(const Freeal__Project *project, const Freeal__StateRecord *state);
/* Name of work `index` of the phase. */
Freeal__WorkName round_work_name(const Freeal__Project *project, const Freeal__StateRecord *state,
				 uint64_t index);
/* False: not a work of this phase. */
bool round_work_index(const Freeal__Project *project, const Freeal__StateRecord *state,
		      const Freeal__WorkName *name, uint64_t *ret_index);

/* Behind the task file's rounds: asks what was never asked. */
bool round_is_catch_up(const Freeal__Project *project, uint32_t round);

/* "annotate" and so on. */
const char *round_phase_name(Freeal__Phase phase);

#endif
