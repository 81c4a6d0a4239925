/*
 * Randomness and hashing, both pure functions of their arguments: the same seed
 * gives the same numbers on every machine and in every order of work.
 */
#ifndef FREEAL_BASE_RNG_H
#define FREEAL_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* A stream of random numbers (splitmix64). */
struct rng {
	uint64_t state;
};

struct rng rng_make(uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Uniform in 0 .. n-1; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Uniform in [0, 1). */
double rng_double(struct rng *r);
/* Standard normal (Box-Muller). */
double rng_normal(struct rng *r);
/* Beta(a, a) for a > 0 by two gamma draws (Marsaglia and Tsang). */
double rng_beta(struct rng *r, double a);

/* Puts `count` items into an order that is as likely as any other. */
void rng_shuffle(struct rng *r, uint32_t *items, size_t count);

/* Mixes two words; for keys such as (seed, sample, epoch). */
uint64_t hash_mix(uint64_t a, uint64_t b);
/* 64-bit hash of bytes; not for adversaries. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t size);

#endif
