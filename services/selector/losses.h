/*
 * The losses of one epoch, as a trainer sends them for a refit: gathered in memory while
 * their stream comes in, then judged by job_refit.
 */
#ifndef FREEAL_SELECTOR_LOSSES_H
#define FREEAL_SELECTOR_LOSSES_H

#include "base/err.h"
#include "proto/stream.pb-c.h"

#include <stddef.h>
#include <stdint.h>

#define LOSSES_COUNT_MAX (1u << 27)

struct losses;

struct loss {
	uint64_t sample_no;
	int32_t class_id;
	float loss;
};

/* ERR_NO_MEMORY. */
enum err losses_new(uint32_t round, uint32_t epoch, struct losses **ret_losses) WARN_UNUSED;
void losses_free(struct losses *l);

/* Appends a chunk's rows: ascending samples, classes below `class_count`, losses finite and
 * not negative. ERR_PROTOCOL: not so (msg says what); ERR_LIMIT, ERR_NO_MEMORY. */
enum err losses_add(struct losses *l, const Freeal__LossChunk *chunk, size_t class_count,
		    struct err_msg *msg) WARN_UNUSED;

uint32_t losses_round(const struct losses *l);
uint32_t losses_epoch(const struct losses *l);
size_t losses_count(const struct losses *l);
const struct loss *losses_rows(const struct losses *l);

#endif
