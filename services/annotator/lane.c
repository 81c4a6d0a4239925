#include "annotator/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ask *lane_pop(struct lane *l, uint64_t now_ms)
{
	struct ask *a = ask_queue_pop(&l->delayed, now_ms);
	return a ? a : ask_queue_pop(&l->ready, now_ms);
}

uint64_t lane_due_ms(const struct lane *l, uint64_t now_ms)
{
	if (lane_waiting(l) == 0)
		return UINT64_MAX;
	/* Without room, what is due waits for a reply, or for the throttle. */
	if (throttle_room(&l->throttle, l->in_flight, now_ms) == 0)
		return throttle_due_ms(&l->throttle, now_ms);
	return ask_queue_due_ms(&l->delayed);
}

struct ask *lane_remove(struct lane *l, const Freeal__WorkName *name)
{
	struct ask *a = ask_queue_remove(&l->ready, name);
	return a ? a : ask_queue_remove(&l->delayed, name);
}

uint32_t lane_waiting(const struct lane *l)
{
	return l->ready.count + l->delayed.count;
}

void lane_done(struct lane *l)
{
	ask_queue_done(&l->ready);
	ask_queue_done(&l->delayed);
}

/* What a person has to look at; by the judgement's reason. */
static void hint_write(char *out, size_t size, const Freeal__Endpoint *endpoint, const char *reason)
{
	const char *key = endpoint->key_env && *endpoint->key_env ? endpoint->key_env : NULL;
	if (strcmp(reason, "no_key") == 0)
		(void)snprintf(out, size, "no key: set %s", key ? key : "llm.key_env");
	else if (strcmp(reason, "key_refused") == 0 && key)
		(void)snprintf(out, size, "the key in %s was refused", key);
	else if (strcmp(reason, "key_refused") == 0)
		(void)snprintf(out, size, "a key is wanted: set llm.key_env");
	else if (strcmp(reason, "forbidden") == 0)
		(void)snprintf(out, size, "access is denied; check the key and its rights");
	else if (strcmp(reason, "no_credit") == 0)
		(void)snprintf(out, size, "no credit left; check the account's billing");
	else if (strcmp(reason, "not_found") == 0)
		(void)snprintf(out, size, "not found; check llm.url and llm.model (%s)",
			       endpoint->model);
	else if (strcmp(reason, "certificate") == 0)
		(void)snprintf(out, size, "the server's certificate is not valid");
	else if (strcmp(reason, "url") == 0)
		(void)snprintf(out, size, "the URL does not lead to an API; check llm.url");
	else if (strcmp(reason, "settings") == 0)
		(void)snprintf(out, size, "a setting under llm is refused");
	else
		(void)snprintf(out, size, "no request goes through (%s)", reason);
}

void lane_blocked_write(struct lane *l, const Freeal__Endpoint *endpoint, const char *reason,
			uint32_t status, const struct reply_error *error, const char *detail)
{
	char hint[BLOCKED_BYTES_MAX / 2];
	char what[BLOCKED_BYTES_MAX / 2] = "";
	const char *words = *error->message ? error->message : detail;
	const char *key =
	    endpoint->key_env && *endpoint->key_env ? getenv(endpoint->key_env) : NULL;
	/* Some servers repeat the key that they refuse. */
	if (key && *key && strstr(words, key))
		words = "";
	if (status)
		(void)snprintf(what, sizeof what, "HTTP %u%s%.200s", status, *words ? ": " : "",
			       words);
	else
		(void)snprintf(what, sizeof what, "%.200s", words);
	hint_write(hint, sizeof hint, endpoint, reason);
	/* Cut where it is too long. */
	(void)snprintf(l->blocked, sizeof l->blocked, "%.160s: %.180s%s%.150s", endpoint->url, hint,
		       *what ? "; " : "", what);
}
