#include "base/clock.h"

#include <time.h>

static uint64_t system_ms(clockid_t id)
{
	struct timespec t;
	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static uint64_t system_mono_ms(void *context)
{
	(void)context;
	return system_ms(CLOCK_MONOTONIC);
}

static uint64_t system_wall_ms(void *context)
{
	(void)context;
	return system_ms(CLOCK_REALTIME);
}

struct clock clock_system(void)
{
	return (struct clock){.mono_ms = system_mono_ms, .wall_ms = system_wall_ms};
}

uint64_t clock_mono_ms(const struct clock *c)
{
	return c->mono_ms(c->context);
}

uint64_t clock_wall_ms(const struct clock *c)
{
	return c->wall_ms(c->context);
}
