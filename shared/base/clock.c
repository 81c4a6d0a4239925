#include "base/clock.h"

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

double clock_seconds(void)
{
	return (double)system_ms(CLOCK_MONOTONIC) / 1000.0;
}

void clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

struct timespec clock_deadline(uint32_t wait_ms)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	uint64_t ns = (uint64_t)t.tv_nsec + (uint64_t)wait_ms * 1000000u;
	t.tv_sec += (time_t)(ns / 1000000000u);
	t.tv_nsec = (long)(ns % 1000000000u);
	return t;
}
