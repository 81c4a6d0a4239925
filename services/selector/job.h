/*
 * One SELECT, RETRIEVE or refit: reads the history, decides, and hands the rows out chunk
 * by chunk. Runs on the job thread; only reads the store.
 *
 * A refit is asked by a trainer between two epochs (recipe "paper"): the clean set by the
 * losses of the model being trained.
 */
#ifndef FREEAL_SELECTOR_JOB_H
#define FREEAL_SELECTOR_JOB_H

#include "base/err.h"
#include "proto/work.pb-c.h"
#include "selector/history.h"
#include "selector/losses.h"

#include <stdatomic.h>

/* Rows of one chunk: of about 1 MiB at most. */
#define JOB_ROWS_PER_CHUNK 8192

struct job;

/* Takes a packed chunk of rows, in order; blocks while the loop is behind. The data stays
 * the caller's. ERR_CANCELLED: nobody wants the rows any more. */
typedef enum err (*job_emit)(struct job *j, const void *data, size_t size);

struct job {
	Freeal__Work *work;	/* owned; NULL: a refit */
	struct losses *losses;	/* of a refit; owned */
	enum history_rows rows; /* what it makes */
	uint32_t part;
	uint64_t vocabulary; /* of the embeddings */
	struct history *history;
	size_t class_count;
	job_emit emit;
	void *emit_context;
	atomic_bool cancel;
	atomic_uint_fast64_t done, total; /* rows, for people */
	/* Set when it succeeds; `pool` is allocated. */
	Freeal__SelectResult select;
	Freeal__RetrieveResult retrieve;
	struct err_msg msg;	 /* when it fails */
	Freeal__Missing missing; /* why it fails, if it is that */
};

/* Copies the work. NULL: no memory, or neither SELECT nor RETRIEVE. */
struct job *job_new(const Freeal__Work *work, struct history *h, size_t class_count);
/* Takes the losses; NULL: no memory. */
struct job *job_new_refit(struct losses *losses, struct history *h, size_t class_count);
void job_free(struct job *j);

enum err job_run(struct job *j) WARN_UNUSED;

/* The kinds. */
enum err job_select(struct job *j) WARN_UNUSED;
enum err job_retrieve(struct job *j) WARN_UNUSED;
enum err job_refit(struct job *j) WARN_UNUSED;

/* Shared by both. ERR_CANCELLED once nobody wants the job. */
enum err job_continue(struct job *j) WARN_UNUSED;
/* `e` is an error of reading what earlier phases made: notes what is missing, if it is. */
enum err job_lacks(struct job *j, Freeal__Missing missing, enum err e);
/* Mean embedding of samples 0 .. count-1. Free it. */
enum err job_centre(struct job *j, uint64_t count, size_t dimensions,
		    float **ret_centre) WARN_UNUSED;
/* Dimensions of the embeddings; says so when there are none. */
enum err job_dimensions(struct job *j, size_t *ret_dimensions) WARN_UNUSED;
/* Embeddings of consecutive samples; says which are missing. */
enum err job_vectors(struct job *j, uint64_t first, size_t count, size_t dimensions,
		     float *ret_vectors) WARN_UNUSED;

#endif
