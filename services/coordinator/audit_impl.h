/*
 * What the files of the audit share.
 */
#ifndef FREEAL_COORDINATOR_AUDIT_IMPL_H
#define FREEAL_COORDINATOR_AUDIT_IMPL_H

#include "coordinator/tables.h"
#include "proto/envelope.pb-c.h"
#include "proto/project.pb-c.h"
#include "proto/stream.pb-c.h"
#include "store/audit.h"

/* Sums over the label events of one round. */
struct audit_round {
	uint64_t asked, answered, unusable, changed;
};

/* What the label changes and events say of one sample. */
struct audit_sample {
	int32_t changed_to; /* class of its last change, -1: none */
	int32_t class_id;   /* of its last usable answer, -1: none */
	uint32_t changes;
	uint32_t turns; /* usable answers that differ from the one before */
	bool asked;
};

struct audit_run {
	struct audit audit;
	const char *project_dir;
	struct store_txn *txn;
	Freeal__Project *project;
	Freeal__StateRecord *state;
	Freeal__CounterRecord *counters;
	Freeal__RoundRecord *open;
	uint64_t sample_count;	      /* in the store */
	struct audit_sample *samples; /* (sample_count) */
	struct audit_round *rounds;   /* (state->round + 1) */
	Freeal__KeptRecord kept;      /* as the kept replies are counted */
	Freeal__CounterRecord used;   /* usages of events and of generated demonstrations */
};

/* Unpacks each record of a table and hands it on with its key. */
typedef void audit_row_fn(struct audit_run *r, const struct store_value *key, const void *message);
enum err audit_each(struct audit_run *r, enum table table, const ProtobufCMessageDescriptor *type,
		    int invariant, audit_row_fn *row) WARN_UNUSED;
void audit_usage_add(Freeal__CounterRecord *sum, const Freeal__Usage *usage);
/* The phase's work of the current round is over. */
bool audit_phase_over(const struct audit_run *r, Freeal__Phase phase);

/* audit_samples.c: I1 and I3. */
enum err audit_samples(struct audit_run *r) WARN_UNUSED;
/* audit_rounds.c: I4 and I7. */
enum err audit_rounds(struct audit_run *r) WARN_UNUSED;
/* audit_kept.c: I7 over the kept replies. */
enum err audit_kept(struct audit_run *r) WARN_UNUSED;
/* audit_acknowledged.c: I2 over a file. */
enum err audit_acknowledged(struct audit_run *r, const char *path, struct err_msg *msg) WARN_UNUSED;

#endif
