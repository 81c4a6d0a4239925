/*
 * Time comes in through this pointer, so that tests can plug in their own. A loop
 * reads it once per turn and passes `now_ms` on.
 */
#ifndef FREEAL_BASE_CLOCK_H
#define FREEAL_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

struct clock {
	uint64_t (*mono_ms)(void *context); /* never jumps; for durations */
	uint64_t (*wall_ms)(void *context); /* since 1970; for people */
	void *context;
};

struct clock clock_system(void);
uint64_t clock_mono_ms(const struct clock *c);
uint64_t clock_wall_ms(const struct clock *c);
/* The system's monotonic time in seconds, to measure how long work takes. */
double clock_seconds(void);

/* A condition whose timed waits go by the monotonic clock, and when such a wait ends. */
void clock_cond_init(pthread_cond_t *cond);
struct timespec clock_deadline(uint32_t wait_ms);

#endif
