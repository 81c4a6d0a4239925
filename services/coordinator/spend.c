#include "coordinator/spend.h"

static json_t *amount_json(uint64_t nano_usd, uint64_t tokens, uint64_t requests)
{
	return json_pack("{s:f, s:I, s:I}", "usd", (double)nano_usd / 1e9, "tokens",
			 (json_int_t)tokens, "requests", (json_int_t)requests);
}

static json_t *count_or_null(uint64_t count)
{
	return count ? json_integer((json_int_t)count) : json_null();
}

json_t *spend_json(const Freeal__CounterRecord *n, const struct amount *limits)
{
	json_t *spend = amount_json(n->nano_usd, n->tokens_in + n->tokens_out, n->requests);
	json_t *limit = json_pack(
	    "{s:o, s:o, s:o}", "usd",
	    limits->nano_usd ? json_real((double)limits->nano_usd / 1e9) : json_null(), "tokens",
	    count_or_null(limits->tokens), "requests", count_or_null(limits->requests));
	(void)json_object_set_new(
	    spend, "reserved",
	    amount_json(n->reserved_nano_usd, n->reserved_tokens, n->reserved_requests));
	(void)json_object_set_new(spend, "lost",
				  amount_json(n->lost_nano_usd, n->lost_tokens, n->lost_requests));
	(void)json_object_set_new(spend, "limit", limit);
	return spend;
}
