#include "annotator/lane.h"

#include "llm/api_key.h"
#include "wire/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err lane_new(const Freeal__Endpoint *endpoint, uint32_t window_max, uint64_t probe_ms,
		  uint64_t seed, struct lane **ret_lane)
{
	struct lane *l = calloc(1, sizeof *l);
	if (l)
		l->endpoint = frame_message_copy(&endpoint->base);
	if (!l || !l->endpoint) {
		free(l);
		return ERR_NO_MEMORY;
	}
	throttle_init(&l->throttle, window_max, probe_ms, seed);
	quota_init(&l->quota, endpoint);
	*ret_lane = l;
	return ERR_OK;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	freeal__endpoint__free_unpacked(l->endpoint, NULL);
	free(l);
}

void lane_renew(struct lane *l, struct lane *fresh)
{
	Freeal__Endpoint *endpoint = l->endpoint;
	l->endpoint = fresh->endpoint;
	fresh->endpoint = endpoint;
	l->throttle = fresh->throttle;
	l->quota = fresh->quota;
	l->blocked_said = l->rejected_said = l->ungranted_said = false;
	l->ungranted_ms = 0;
	lane_free(fresh);
}

void lane_settled(struct lane *l)
{
	if (l->retired && l->in_flight == 0)
		lane_free(l);
}

void lane_retire(struct lane *l)
{
	l->retired = true;
	lane_settled(l);
}

bool lane_serves(const struct lane *l, const Freeal__Endpoint *endpoint)
{
	const Freeal__Endpoint *e = l->endpoint;
	return strcmp(e->url, endpoint->url) == 0 && strcmp(e->model, endpoint->model) == 0 &&
	       strcmp(e->key_env, endpoint->key_env) == 0 &&
	       strcmp(e->key_file, endpoint->key_file) == 0 &&
	       strcmp(e->api_version, endpoint->api_version) == 0;
}

double lane_free_share(const struct lane *l, uint64_t now_ms)
{
	uint32_t room = throttle_room(&l->throttle, l->in_flight, now_ms);
	room = quota_room(&l->quota, l->in_flight, room, now_ms);
	/* A probe that is due goes before all else. */
	return l->throttle.blocked ? room : room / l->throttle.window.size;
}

uint32_t lane_depth(const struct lane *l, uint64_t now_ms)
{
	if (l->throttle.blocked)
		return 0;
	return quota_depth(&l->quota, l->throttle.window.max, l->throttle.window.mean_ms, now_ms);
}

uint64_t lane_due_ms(const struct lane *l, uint64_t now_ms)
{
	/* Where there is no room for other reasons, a reply or a grant makes some. */
	uint64_t throttle_ms = throttle_due_ms(&l->throttle, now_ms);
	uint64_t quota_ms = quota_due_ms(&l->quota, now_ms);
	if (throttle_room(&l->throttle, l->in_flight, now_ms) > 0)
		return quota_ms;
	return throttle_ms;
}

/* What a person has to look at; by the judgement's reason. */
static void hint_write(char *out, size_t size, const Freeal__Endpoint *endpoint, const char *reason)
{
	const char *key = endpoint->key_env && *endpoint->key_env ? endpoint->key_env : NULL;
	bool file = !key && endpoint->key_file && *endpoint->key_file;
	if (file)
		key = endpoint->key_file;
	if (strcmp(reason, "no_key") == 0)
		(void)snprintf(out, size, "no key%s %s", file ? " in" : ": set",
			       key ? key : "llm.key_env");
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

void lane_blocked_write(struct lane *l, const char *reason, uint32_t status,
			const struct reply_error *error, const char *detail)
{
	const Freeal__Endpoint *endpoint = l->endpoint;
	char hint[BLOCKED_BYTES_MAX / 2];
	char what[BLOCKED_BYTES_MAX / 2] = "";
	const char *words = *error->message ? error->message : detail;
	if (api_key_repeated(endpoint->key_env, endpoint->key_file, words))
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
