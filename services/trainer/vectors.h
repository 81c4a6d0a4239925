/*
 * Sentence vectors that were computed once: a file of VECTORS_PER_FILE samples each in a
 * folder. They can be made again, so that a file which is damaged, or of another key, counts
 * as none, and nothing is synced.
 */
#ifndef FREEAL_TRAINER_VECTORS_H
#define FREEAL_TRAINER_VECTORS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define VECTORS_PER_FILE 1024u

struct vectors {
	char folder[4096];
	uint64_t key; /* of the project, the checkpoint and how it is used */
	uint32_t dimensions;
};

/* The key of a checkpoint: by its path, and size and time of its files. */
uint64_t vectors_key(uint64_t seed, const char *checkpoint);

/* The first rows of a block, at most VECTORS_PER_FILE; how many there are. */
size_t vectors_load(const struct vectors *v, uint64_t block, float *ret_rows);
/* Keeps the first `count` rows of a block, in place of those that there were. */
enum err vectors_save(const struct vectors *v, uint64_t block, const float *rows, size_t count,
		      struct err_msg *msg) WARN_UNUSED;

#endif
