#include "llm/retry_after.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

static uint64_t seconds_parse(const char *value)
{
	const uint64_t ms_max = (uint64_t)1 << 50;
	uint64_t ms = 0;
	const char *at = value;
	for (; isdigit((unsigned char)*at); at++) {
		if (ms < ms_max)
			ms = ms * 10 + (uint64_t)(*at - '0') * 1000;
	}
	if (*at == '.') {
		uint64_t unit_ms = 100;
		for (at++; isdigit((unsigned char)*at); at++, unit_ms /= 10)
			ms += (uint64_t)(*at - '0') * unit_ms;
	}
	while (*at == ' ' || *at == '\t')
		at++;
	return *at == '\0' ? ms : RETRY_AFTER_NONE;
}

uint64_t retry_after_parse(const char *value, uint64_t wall_ms)
{
	while (*value == ' ' || *value == '\t')
		value++;
	if (isdigit((unsigned char)*value))
		return seconds_parse(value);
	/* RFC 9110: IMF-fixdate, and the two obsolete forms that receivers must accept. */
	static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT",
					      "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		struct tm tm = {0};
		const char *end = strptime(value, formats[i], &tm);
		if (!end || *end != '\0')
			continue;
		time_t seconds = timegm(&tm);
		if (seconds < 0)
			return 0;
		uint64_t then_ms = (uint64_t)seconds * 1000;
		return then_ms > wall_ms ? then_ms - wall_ms : 0;
	}
	return RETRY_AFTER_NONE;
}
