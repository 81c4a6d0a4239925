/*
 * The trainer's replica of the training set, in its own LMDB environment.
 *
 * Samples are append-only by sample_no. Label changes are kept as the log that the
 * coordinator sends, so that the labels of any moment can be had: those after the
 * first `change_count` changes are the same on every trainer, whatever came since.
 *
 * Rows are added on one thread; views may be open on another at the same time.
 */
#ifndef FREEAL_TRAINER_DATASET_H
#define FREEAL_TRAINER_DATASET_H

#include "base/err.h"
#include "proto/stream.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct audit;
struct candidates;
struct dataset;

/* Opens or makes DIR. */
enum err dataset_open(const char *dir, struct dataset **ret_dataset,
		      struct err_msg *msg) WARN_UNUSED;
/* To look at while nobody uses it; adding rows is not allowed (store_open_stopped). */
enum err dataset_open_stopped(const char *dir, struct dataset **ret_dataset,
			      struct err_msg *msg) WARN_UNUSED;
void dataset_close(struct dataset *d);

/* Says whose samples these are, before any is added. What is here of another project is
 * removed: it can be pulled again. No view may be open. */
enum err dataset_project_set(struct dataset *d, const void *id, size_t id_bytes,
			     bool *ret_wiped) WARN_UNUSED;

/* Samples 0 .. n-1 and changes 0 .. n-1 are here. */
uint64_t dataset_sample_count(const struct dataset *d);
uint64_t dataset_change_count(const struct dataset *d);

/* Adds the rows from number `first` on; those that are here already are skipped.
 * Durable on ERR_OK. ERR_PROTOCOL: a gap, or rows that break a limit; nothing was
 * added. */
enum err dataset_samples_add(struct dataset *d, uint64_t first,
			     const Freeal__SampleChunk *chunk) WARN_UNUSED;
enum err dataset_changes_add(struct dataset *d, uint64_t first,
			     const Freeal__ChangeChunk *chunk) WARN_UNUSED;

/* Samples first .. first+count-1; strings lie in the map and live as long as the view. */
struct dataset_view {
	uint64_t first;
	size_t count;
	const char **ids; /* (count) */
	size_t *id_bytes;
	const char **texts; /* (count) */
	size_t *text_bytes;
	const char **augmented; /* (count); 0 bytes where the sample has none */
	size_t *augmented_bytes;
	struct store_txn *txn;
};

/* ERR_NOT_FOUND: the replica does not hold all of them. A view holds a read
 * transaction; close it soon. */
enum err dataset_view_open(struct dataset *d, uint64_t first, size_t count,
			   struct dataset_view **ret_view) WARN_UNUSED;
void dataset_view_close(struct dataset_view *v);
/* Whether any of them has an augmented text. */
bool dataset_view_augmented(const struct dataset_view *v);

/* Fills `labels` (count) with the class ids of samples 0 .. count-1 after the first
 * `change_count` changes; -1 where there is none, or one of several: those sets come in
 * `ret_candidates` (free them; NULL: no sample has one; may be NULL itself).
 * ERR_NOT_FOUND: fewer are here. */
enum err dataset_labels(struct dataset *d, uint64_t change_count, int32_t *labels, size_t count,
			struct candidates **ret_candidates) WARN_UNUSED;

/* Reads every record (store/audit.h). */
enum err dataset_records_audit(struct dataset *d, struct audit *audit) WARN_UNUSED;

#endif
