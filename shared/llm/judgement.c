#include "llm/judgement.h"

#include <assert.h>
#include <string.h>

static bool code_is(const char *code, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(code, *list) == 0)
			return true;
	}
	return false;
}

/* Error codes that no waiting and no other text will mend. */
static const char *const codes_no_credit[] = {"insufficient_quota", "billing_not_active",
					      "billing_hard_limit_reached", NULL};
static const char *const codes_settings[] = {"model_not_found",	      "invalid_api_key",
					     "unsupported_parameter", "unsupported_value",
					     "account_deactivated",   NULL};
static const char *const codes_refused[] = {"content_filter", "content_policy_violation", NULL};

static struct judgement transfer_judge(enum transfer transfer)
{
	switch (transfer) {
	case TRANSFER_UNREACHABLE:
		return (struct judgement){VERDICT_RETRY, "unreachable"};
	case TRANSFER_TIMEOUT:
		return (struct judgement){VERDICT_RETRY, "timeout"};
	case TRANSFER_TOO_LARGE:
		return (struct judgement){VERDICT_RETRY, "too_large"};
	case TRANSFER_CERTIFICATE:
		return (struct judgement){VERDICT_BLOCK, "certificate"};
	case TRANSFER_URL:
		return (struct judgement){VERDICT_BLOCK, "url"};
	case TRANSFER_NO_KEY:
		return (struct judgement){VERDICT_BLOCK, "no_key"};
	case TRANSFER_DONE:
		break;
	}
	assert(!"a transfer that is done is judged by its status");
	return (struct judgement){VERDICT_RETRY, "unreachable"};
}

struct judgement judgement_of(const struct outcome *o)
{
	if (o->transfer != TRANSFER_DONE)
		return transfer_judge(o->transfer);
	uint32_t status = o->status;
	if (status >= 200 && status < 300) {
		if (o->malformed)
			return (struct judgement){VERDICT_RETRY, "malformed"};
		return (struct judgement){VERDICT_ANSWER, ""};
	}
	if (status == 402 || code_is(o->code, codes_no_credit))
		return (struct judgement){VERDICT_BLOCK, "no_credit"};
	if (status == 429)
		return (struct judgement){VERDICT_PAUSE, "rate_limit"};
	if (status == 503 && o->retry_after_ms != RETRY_AFTER_NONE)
		return (struct judgement){VERDICT_PAUSE, "unavailable"};
	if (status >= 500)
		return (struct judgement){VERDICT_RETRY, "server_error"};
	if (status == 408 || status == 409 || status == 425)
		return (struct judgement){VERDICT_RETRY, "server_error"};
	if (status == 401)
		return (struct judgement){VERDICT_BLOCK, "key_refused"};
	if (status == 403)
		return (struct judgement){VERDICT_BLOCK, "forbidden"};
	if (status == 404)
		return (struct judgement){VERDICT_BLOCK, "not_found"};
	if (status < 400 || status == 405)
		return (struct judgement){VERDICT_BLOCK, "url"};
	if (code_is(o->code, codes_settings))
		return (struct judgement){VERDICT_BLOCK, "settings"};
	if (code_is(o->code, codes_refused))
		return (struct judgement){VERDICT_UNUSABLE, "refused"};
	return (struct judgement){VERDICT_UNUSABLE, "rejected"};
}
