/*
 * A token bucket: so many of something per minute, refilled continuously. Pure; time is
 * an argument.
 */
#ifndef FREEAL_ANNOTATOR_BUCKET_H
#define FREEAL_ANNOTATOR_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	bool limited;	/* false: there is always enough */
	double rate;	/* per ms */
	double burst;	/* most that it holds: one second's rate, or the largest amount */
	double largest; /* amount taken so far */
	double level;	/* at `at_ms`; below 0 after more was used than had been taken */
	uint64_t at_ms;
};

/* No limit. */
void bucket_init(struct bucket *b);
/* Sets the limit. What it holds stays; at first it holds what one minute's 60th part is, at most
 * 1: whoever begins may send one thing, not a burst. A rate of 0 lets nothing through. */
void bucket_limit(struct bucket *b, double per_minute, uint64_t now_ms);
void bucket_unlimit(struct bucket *b);

/* Whether `amount` may be taken, or, where it never holds as much, whether it is full. */
bool bucket_has(const struct bucket *b, double amount, uint64_t now_ms);
/* How many times `amount` may be taken now, at most `max`. */
uint32_t bucket_room(const struct bucket *b, double amount, uint32_t max, uint64_t now_ms);
/* When bucket_has turns true, if nothing is taken; UINT64_MAX: never. */
uint64_t bucket_due_ms(const struct bucket *b, double amount, uint64_t now_ms);
/* Takes it, though it may not be there. */
void bucket_take(struct bucket *b, double amount, uint64_t now_ms);
/* What was taken for a thing turned out to be `used`: gives back, or takes, the difference. */
void bucket_correct(struct bucket *b, double taken, double used, uint64_t now_ms);

#endif
