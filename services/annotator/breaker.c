#include "annotator/breaker.h"

void breaker_answered(struct breaker *b)
{
	*b = (struct breaker){0};
}

static void open(struct breaker *b, uint64_t now_ms)
{
	uint64_t ms = BREAKER_OPEN_MS_MIN;
	for (uint32_t i = 0; i < b->opened && ms < BREAKER_OPEN_MS_MAX; i++)
		ms *= 2;
	b->until_ms = now_ms + (ms < BREAKER_OPEN_MS_MAX ? ms : BREAKER_OPEN_MS_MAX);
	b->opened++;
	b->probing = false;
}

void breaker_failed(struct breaker *b, uint64_t sent_ms, uint64_t now_ms)
{
	if (b->opened > 0) {
		if (b->probing && sent_ms >= b->until_ms)
			open(b, now_ms);
		return;
	}
	if (++b->failures >= BREAKER_FAILURES)
		open(b, now_ms);
}

void breaker_sent(struct breaker *b)
{
	b->probing = b->opened > 0;
}

uint32_t breaker_room(const struct breaker *b, uint32_t max, uint64_t now_ms)
{
	if (b->opened == 0)
		return max;
	return now_ms < b->until_ms || b->probing || max == 0 ? 0 : 1;
}
