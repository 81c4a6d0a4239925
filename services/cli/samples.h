/*
 * Samples on their way from an input file to the coordinator.
 */
#ifndef FREEAL_CLI_SAMPLES_H
#define FREEAL_CLI_SAMPLES_H

#include "base/err.h"
#include "cli/session.h"
#include "text/source.h"

#include <stdint.h>

struct samples_counts {
	uint64_t accepted;
	uint64_t duplicates; /* the coordinator had them, or the file has them twice */
	uint64_t rejected;   /* by the coordinator */
};

/* Reads the whole input; its first fault is the error. */
enum err samples_check(const char *path, const struct source_options *options,
		       struct err_msg *msg) WARN_UNUSED;

/*
 * Posts what is left in the source, in batches; rows of a source that does not wait are
 * posted a moment after they come. `reject` is told of rows that the coordinator refuses,
 * with their line in the input; the first batch with such rows ends it where the source
 * is strict. A fault of the input ends it after the rows before it are posted. ERR_CANCELLED: told
 * to stop, after what was read is posted. `ret_counts` is written in every case.
 */
enum err samples_post(struct session *s, struct source *source, source_reject_fn *reject,
		      void *context, struct samples_counts *ret_counts,
		      struct err_msg *msg) WARN_UNUSED;

#endif
