/*
 * The round state machine: pure functions of the project, the state and what the phase
 * that ended brought. No store, no clock, no sockets.
 *
 *   INGEST → [GENERATE] → [AUGMENT] → EMBED → [RETRIEVE] → ANNOTATE → TRAIN → SELECT → DECIDE
 *   DECIDE → [AUGMENT] → [EMBED] → [RETRIEVE] → ANNOTATE … of the next round, or
 *            FINAL_TRAIN → PREDICT → DONE
 *   DONE → EMBED … of a catch-up round, when samples came later: it asks these alone, with
 *   the last round's settings
 *
 * Samples that come while rounds go on: a round begins with those that are there (the ones
 * never asked before are its newcomers). When all of them are settled, ANNOTATE takes what
 * came meanwhile, and no more: EMBED → [RETRIEVE] → ANNOTATE for these → TRAIN. What comes
 * later waits for the next round. So the result depends on which samples came before which
 * of these points, and not on when.
 *
 * Embeddings have one vocabulary, fitted on the samples of the first EMBED; newcomers are
 * embedded with it, alone, until there are ROUND_VOCABULARY_GROWTH times as many samples.
 * Then all are embedded again with a vocabulary of all. So a trickle into a million costs
 * little, and a project that began with ten samples doesn't see the rest through them.
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
#define ROUND_VOCABULARY_GROWTH 2
/* Newcomers are embedded from a multiple of this on, so that their receiver can store rows
 * in groups without knowing the rows before. */
#define ROUND_EMBED_ALIGNMENT 64u
/* Added to the slots of an EMBED that ANNOTATE's arrivals cause. */
#define ROUND_SLOT_ARRIVALS 2u

/* What the phase that ended brought. */
struct round_outcome {
	uint64_t sample_count; /* INGEST, ANNOTATE, DECIDE, DONE: samples there */
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

/* Where a worker has lost what the state's phase needs: the state to go back to, from which
 * the phases up to this one make it again, with the same outcome. `train` is the state in
 * which the last TRAIN began; NULL: there was none. False: that can't be missing here. */
bool round_mend(const Freeal__Project *project, const Freeal__StateRecord *state,
		const Freeal__StateRecord *train, Freeal__Missing missing,
		Freeal__StateRecord *ret_state) WARN_UNUSED;

/* Number of works in the state's phase; for AUGMENT and ANNOTATE all samples, of which those that
 * are not asked now are to be excluded. 0: nothing to lease. */
uint64_t round_work_count(const Freeal__Project *project, const Freeal__StateRecord *state);
/* Name of work `index` of the phase. */
Freeal__WorkName round_work_name(const Freeal__Project *project, const Freeal__StateRecord *state,
				 uint64_t index);
/* False: not a work of this phase. */
bool round_work_index(const Freeal__Project *project, const Freeal__StateRecord *state,
		      const Freeal__WorkName *name, uint64_t *ret_index);

/* The sample that EMBED begins with. */
uint64_t round_embed_from(const Freeal__StateRecord *state);
/* Besides newcomers, the round's ANNOTATE asks what the last SELECT wants asked again. */
bool round_asks_again(const Freeal__Project *project, const Freeal__StateRecord *state);
/* Behind the task file's rounds: asks what was never asked. */
bool round_is_catch_up(const Freeal__Project *project, uint32_t round);

/* "annotate" and so on. */
const char *round_phase_name(Freeal__Phase phase);

#endif
