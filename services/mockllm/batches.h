/*
 * Jobs of the Batch API, in memory: their lines, states and objects. The caller sees to it that
 * one thread at a time calls.
 */
#ifndef FREEAL_MOCKLLM_BATCHES_H
#define FREEAL_MOCKLLM_BATCHES_H

#include "mockllm/files.h"

#include <stdbool.h>
#include <stdint.h>

enum { BATCHES_MAX = 1000, BATCHES_LINES_MAX = 50000 };

enum batch_state {
	BATCH_VALIDATING,
	BATCH_IN_PROGRESS,
	BATCH_COMPLETED,
	BATCH_FAILED, /* its input was refused as a whole */
	BATCH_EXPIRED,
	BATCH_CANCELLING,
	BATCH_CANCELLED,
};

/* Of an input that was refused. */
struct batch_error {
	const char *code; /* a constant; NULL: none */
	const char *message;
	size_t line; /* from 1 */
};

struct batch {
	char id[FILES_ID_MAX];
	char endpoint[32];
	enum batch_state state;
	char input[FILES_ID_MAX];
	char output[FILES_ID_MAX]; /* "": none */
	char errors[FILES_ID_MAX];
	struct batch_error error;
	struct json_t *metadata; /* NULL: none */
	struct json_t *lines;	 /* objects; NULL once the batch has ended */
	double expire;		 /* share of lines that are not answered in time */
	uint64_t created_s;	 /* since 1970 */
	uint64_t ended_s;	 /* 0: not yet */
	uint64_t due_ms;	 /* monotonic: when it is to be done */
	size_t total;
	size_t completed;
	size_t failed;
};

struct batches {
	struct batch items[BATCHES_MAX]; /* in the order of their making */
	size_t count;
};

void batches_done(struct batches *b);
/* NULL where there is no room. Its times, expiry and metadata are the caller's to set. */
struct batch *batches_add(struct batches *b, const char *endpoint, const struct file *input);
struct batch *batches_find(struct batches *b, const char *id);
bool batch_has_ended(const struct batch *b);
/* In its last state; lets its lines go. */
void batch_end(struct batch *b, enum batch_state state, uint64_t now_s);
/* Appends the batch's object. */
void batch_write(struct buf *out, const struct batch *b);

#endif
