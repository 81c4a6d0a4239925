#include "mockllm/counts.h"

void counts_write(struct buf *out, const struct counts *c)
{
	const struct {
		const char *name;
		uint64_t value;
	} members[] = {
	    {"requests", c->requests},
	    {"labels", c->labels},
	    {"texts", c->texts},
	    {"demonstrations", c->demonstrations},
	    {"refused", c->refused},
	    {"embeddings", c->embeddings},
	    {"accepted", c->accepted},
	    {"rate_limited", c->rate_limited},
	    {"faults", c->faults},
	    {"prompt_tokens", c->prompt_tokens},
	    {"cached_tokens", c->cached_tokens},
	    {"completion_tokens", c->completion_tokens},
	    {"in_flight", c->in_flight},
	    {"in_flight_max", c->in_flight_max},
	};
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		buf_printf(out, "%c\"%s\":%llu", i ? ',' : '{', members[i].name,
			   (unsigned long long)members[i].value);
	buf_add_char(out, '}');
}
