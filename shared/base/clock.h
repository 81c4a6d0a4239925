/*
 * Time comes in through this pointer, so that tests can plug in their own. A loop
 * reads it once per turn and passes `now_ms` on.
 */
#ifndef FREEAL_BASE_CLOCK_H
#define FREEAL_BASE_CLOCK_H

#include <stdint.h>

struct clock {
	uint64_t (*mono_ms)(void *context); /* never jumps; for durations */
	uint64_t (*wall_ms)(void *context); /* since 1970; for people */
	void *context;
};

struct clock clock_system(void);
uint64_t clock_mono_ms(const struct clock *c);
uint64_t clock_wall_ms(const struct clock *c);

#endif
