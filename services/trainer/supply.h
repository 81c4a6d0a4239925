/*
 * What a job needs before it can start: samples, label changes and the published model
 * from the coordinator, the selection from the selector. Pulls them as streams into the
 * replica, from where it stopped, and says when all is there. Used by the loop.
 */
#ifndef FREEAL_TRAINER_SUPPLY_H
#define FREEAL_TRAINER_SUPPLY_H

#include "trainer/dataset.h"
#include "trainer/model_folders.h"
#include "trainer/selection.h"
#include "wire/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct supply;

struct supply_need {
	uint64_t sample_count;
	uint64_t change_count;
	char selection[STREAM_NAME_BYTES_MAX]; /* also the rows of this stream; "": none */
	bool model;			       /* also the model of this checksum */
	uint64_t model_checksum;
};

/* `models` is borrowed. */
enum err supply_new(struct dataset *d, const struct model_folders *models,
		    struct socket *coordinator, struct supply **ret_supply) WARN_UNUSED;
void supply_free(struct supply *s);
/* Where selections come from; NULL until it is known. */
void supply_selector_set(struct supply *s, struct socket *selector);

/* ERR_OK: all is here. ERR_AGAIN: it is being pulled; ask again after the next chunk.
 * Anything else: it can't be had, `msg` says why; asking again pulls again. ERR_NOT_FOUND:
 * the selector has no such selection. */
enum err supply_check(struct supply *s, const struct supply_need *need, uint64_t now_ms,
		      struct err_msg *msg) WARN_UNUSED;
/* Hands over the selection that the last supply_check found complete. */
struct selection *supply_selection_take(struct supply *s);

/* Forgets what was pulled for another project. */
void supply_reset(struct supply *s);

/* Stores a chunk; those of other streams are left alone. An error is the store's: the
 * process should end. */
enum err supply_chunk(struct supply *s, const Freeal__Chunk *chunk, uint64_t now_ms) WARN_UNUSED;
/* Repeats requests that were not answered; returns when next. */
uint64_t supply_tick(struct supply *s, uint64_t now_ms);

#endif
