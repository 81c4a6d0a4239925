/*
 * Dropout masks that depend on what is dropped alone, not on batches, threads or processes:
 * a counter-based generator keyed by seed, step, layer, site, text, position and column.
 *
 * Nothing is stored: forward and backward compute the same mask.
 */
#ifndef FREEAL_TRAINER_ENCODER_DROPOUT_H
#define FREEAL_TRAINER_ENCODER_DROPOUT_H

#include <stddef.h>
#include <stdint.h>

enum dropout_site {
	DROPOUT_EMBEDDING,
	DROPOUT_ATTENTION, /* column: head * 2^16 + key position */
	DROPOUT_ATTENTION_OUT,
	DROPOUT_OUT,
	DROPOUT_HEAD_IN,
	DROPOUT_HEAD_OUT,
};

/* One training step's dropout. */
struct dropout_step {
	uint64_t seed;
	uint64_t step;
};

/* One site's, in one step. rate 0: nothing is dropped. */
struct dropout {
	uint64_t key;
	uint32_t threshold; /* an element is dropped where its 16 random bits are below it */
	float scale;	    /* of the rest: 1 / (1 - threshold / 65536) */
};

/* `rate` from 0 to less than 1, in steps of 2^-16. The key is hash_mix (base/rng.h) of
 * hash_mix(seed, step) and layer * 256 + site. */
struct dropout dropout_site_make(const struct dropout_step *step, uint32_t layer,
				 enum dropout_site site, float rate);

/* hash_mix(hash_mix(the site's key, text), position): the row's key. `text` is any 64 bits that
 * name the text. */
uint64_t dropout_row_key(const struct dropout *d, uint64_t text, uint32_t position);

/*
 * 16 random bits for each of a row's columns 2 * pair (the low half) and 2 * pair + 1 (the high
 * half). A row has 2^32 pairs of columns. The two multipliers are of Chris Wellons's
 * hash-prospector. tests/golden/make_encoder.py has the same generator.
 */
static inline uint32_t dropout_word(uint64_t row_key, uint32_t pair)
{
	uint32_t x = (uint32_t)row_key + pair * 0x9e3779b9U;
	x = (x ^ x >> 16) * 0x21f0aaadU;
	x = (x ^ x >> 15 ^ (uint32_t)(row_key >> 32)) * 0xd35a2d97U;
	return x ^ x >> 15;
}

/* ret[i] (columns) = scale, or 0 where column first + i is dropped. The reference; kernels fuse
 * it. */
void dropout_row(const struct dropout *d, uint64_t row_key, uint32_t first, size_t columns,
		 float *ret);

#endif
