#include "llm/rate_limit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DURATION_MS_MAX 1e15

/* Takes a unit from the front of a text: its milliseconds; 0: it is none. */
static double unit_take(const char **at)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {{"ms", 1}, {"us", 1e-3}, {"ns", 1e-6}, {"h", 3.6e6}, {"m", 6e4}, {"s", 1e3}};
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t size = strlen(units[i].name);
		if (strncmp(*at, units[i].name, size) != 0)
			continue;
		*at += size;
		return units[i].ms;
	}
	return 0;
}

uint64_t rate_limit_duration_ms(const char *text)
{
	double sum_ms = 0;
	const char *at = text;
	do {
		char *end;
		/* Not what strtod also takes: signs, hexadecimals, infinity. */
		if (!isdigit((unsigned char)*at) || strncasecmp(at, "0x", 2) == 0)
			return UINT64_MAX;
		double value = strtod(at, &end);
		bool bare = *end == '\0' && at == text;
		at = end;
		double unit_ms = bare ? 1e3 : unit_take(&at);
		if (unit_ms <= 0)
			return UINT64_MAX;
		sum_ms += value * unit_ms;
	} while (*at);
	return sum_ms < DURATION_MS_MAX ? (uint64_t)(sum_ms + 0.999) : UINT64_MAX;
}

void rate_limit_header(struct rate_limit *r, const char *line, size_t size)
{
	static const char prefix[] = "x-ratelimit-";
	static const char *const whats[] = {"requests", "tokens"};
	char text[96], *value;
	if (size < sizeof prefix || size >= sizeof text ||
	    strncasecmp(line, prefix, sizeof prefix - 1) != 0)
		return;
	(void)snprintf(text, sizeof text, "%.*s", (int)(size - (sizeof prefix - 1)),
		       line + sizeof prefix - 1);
	value = strchr(text, ':');
	if (!value)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	value[strcspn(value, " \t\r\n")] = '\0';
	for (size_t i = 0; i < 2; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "remaining-%s", whats[i]);
		if (strcasecmp(text, name) == 0)
			r->spent[i] = strcmp(value, "0") == 0;
		(void)snprintf(name, sizeof name, "reset-%s", whats[i]);
		uint64_t ms = strcasecmp(text, name) == 0 ? rate_limit_duration_ms(value) : 0;
		if (ms > 0 && ms != UINT64_MAX)
			r->reset_ms[i] = ms;
	}
}

uint64_t rate_limit_pause_ms(const struct rate_limit *r)
{
	uint64_t pause_ms = 0;
	for (size_t i = 0; i < 2; i++) {
		if (r->spent[i] && r->reset_ms[i] > pause_ms)
			pause_ms = r->reset_ms[i];
	}
	return pause_ms;
}
