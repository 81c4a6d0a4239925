#include "llm/usage.h"

void usage_add(Freeal__Usage *sum, const Freeal__Usage *usage)
{
	if (!usage)
		return;
	sum->requests += usage->requests;
	sum->tokens_in += usage->tokens_in;
	sum->tokens_out += usage->tokens_out;
	sum->nano_usd += usage->nano_usd;
	sum->tokens_cached += usage->tokens_cached;
	sum->tokens_reasoning += usage->tokens_reasoning;
	sum->recalled += usage->recalled;
}
