/*
 * One work of the trainer, from lease to result: EMBED, TRAIN (a fold or the final
 * model) or PREDICT. The loop makes it and reports it; job_run does it on a job
 * thread. While it runs, the loop touches the atomics alone.
 */
#ifndef FREEAL_TRAINER_JOB_H
#define FREEAL_TRAINER_JOB_H

#include "base/log.h"
#include "trainer/dataset.h"
#include "trainer/outbox.h"
#include "trainer/refit.h"
#include "trainer/selection.h"
#include "trainer/supply.h"
#include "wire/stream.h"
#include "wire/worker.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum job_state {
	JOB_WAITING, /* for data, or for the thread */
	JOB_RUNNING,
	JOB_OFFERED, /* its stream waits to be stored by the selector */
};

/* What comes out; valid once job_run has returned ERR_OK. */
struct job_outcome {
	struct outbox_stream *stream; /* NULL: nothing to offer */
	char stream_name[STREAM_NAME_BYTES_MAX];
	uint32_t dimensions; /* EMBED */
	uint64_t row_count;  /* TRAIN */
	double seconds, loss;
	uint64_t model_bytes, model_checksum;
	int32_t *class_ids; /* PREDICT: (predicted_count) */
	float *probabilities;
	size_t predicted_count;
	Freeal__Usage usage; /* of an embeddings endpoint */
};

struct job {
	struct job *next; /* in the loop's list */
	enum job_state state;
	Freeal__Work *work;
	Freeal__Project *project;    /* as it was when the work came */
	struct selection *selection; /* final TRAIN */
	struct refit *refit;	     /* final TRAIN under recipe "paper"; the loop's */
	atomic_bool cancel;	     /* nobody wants the result any more */
	atomic_uint_fast64_t done, total;
	struct job_outcome outcome;
	struct err_msg msg;	 /* why it failed */
	Freeal__Missing missing; /* it failed for lack of this */
};

/* PREDICT has a thread of its own, beside the one that trains and embeds. */
bool job_is_light(const struct job *j);
/* Keeps copies of the work and the project. NULL: no memory. */
struct job *job_new(const Freeal__Work *work, const Freeal__Project *project);
void job_free(struct job *j);
bool job_named(const struct job *j, const Freeal__WorkName *name);
/* One line that names the job; `reason` may be NULL. */
void job_log(const struct job *j, enum log_level level, const char *event, const char *reason);

/* What the replica has to hold before the job can run. ERR_INVALID: the order makes no
 * sense for this project; `j->msg` says why. */
enum err job_need(struct job *j, struct supply_need *ret_need) WARN_UNUSED;
/* Reports it: with its body, or with `error` when that is not NULL. */
void job_report(struct job *j, struct worker *w, const char *error);

/* What jobs share on the job thread. */
struct job_context;

/* `dir` is where streams are written, `models` where checkpoints are; borrowed. */
enum err job_context_new(struct dataset *d, const char *dir, const struct model_folders *models,
			 uint32_t thread_count, struct job_context **ret_context) WARN_UNUSED;
/* Forgets what was computed: the samples are another project's. */
void job_context_reset(struct job_context *c);
void job_context_free(struct job_context *c);

/* Does the work; on failure `j->msg` says why. ERR_CANCELLED: `j->cancel` was set. */
enum err job_run(struct job *j, struct job_context *c) WARN_UNUSED;

#endif
