/*
 * Grants: the endpoints' limits shared among the annotators (share.h), and sent to them while
 * the phase asks those endpoints.
 */
#include "base/log.h"
#include "coordinator/coordinator.h"

#include <stdlib.h>
#include <string.h>

/* A grant lasts for two thirds of a lease and is renewed three times in that time. It counts for
 * the whole time of a lease, so that it may come late. */
static uint32_t grant_ttl_ms(const struct coordinator *c)
{
	return c->ttr_ms / 3 * 2;
}

/* Epochs are random. */
static uint64_t peer_key(const struct peer *p)
{
	uint64_t key;
	memcpy(&key, p->epoch, sizeof key);
	return key;
}

enum err grants_open(struct coordinator *c)
{
	c->shares = calloc(c->project->n_endpoints + 1, sizeof *c->shares);
	if (!c->shares)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < c->project->n_endpoints; i++) {
		const Freeal__Endpoint *e = c->project->endpoints[i];
		const uint64_t limits[SHARE_KINDS] = {
		    [SHARE_REQUESTS] = e->requests_per_minute,
		    [SHARE_TOKENS] = e->tokens_per_minute,
		    [SHARE_CONCURRENCY] = e->concurrency,
		};
		if (!limits[SHARE_REQUESTS] && !limits[SHARE_TOKENS] && !limits[SHARE_CONCURRENCY])
			continue;
		c->shares[i] = share_new(limits, c->ttr_ms, grant_ttl_ms(c) / 3,
					 c->ttr_ms / HEARTBEATS_PER_LEASE);
		if (!c->shares[i])
			return ERR_NO_MEMORY;
	}
	return ERR_OK;
}

void grants_close(struct coordinator *c)
{
	for (size_t i = 0; c->shares && i < c->project->n_endpoints; i++)
		share_free(c->shares[i]);
	free(c->shares);
}

void grants_join(struct coordinator *c, const struct peer *p)
{
	for (size_t i = 0; i < c->project->n_endpoints; i++) {
		if (!c->shares[i])
			continue;
		enum err e = share_join(c->shares[i], peer_key(p), c->now_ms);
		if (e)
			log_warn("no_grant", "endpoint=%zu error=\"%s\"", i, err_str(e));
	}
	c->grants_llm = NULL;
}

void grants_leave(struct coordinator *c, const struct peer *p, bool in_order)
{
	for (size_t i = 0; i < c->project->n_endpoints; i++) {
		if (!c->shares[i])
			continue;
		if (in_order)
			share_leave(c->shares[i], peer_key(p));
		else
			share_lose(c->shares[i], peer_key(p));
	}
}

static void grant_send(struct coordinator *c, uint32_t endpoint, const struct share_grant *g)
{
	const Freeal__Endpoint *limits = c->project->endpoints[endpoint];
	Freeal__Grant grant = FREEAL__GRANT__INIT;
	grant.endpoint = endpoint;
	grant.project_version = c->project->version;
	grant.ttl_ms = grant_ttl_ms(c);
	grant.requests_per_minute = (uint32_t)g->amounts[SHARE_REQUESTS];
	grant.tokens_per_minute = g->amounts[SHARE_TOKENS];
	grant.concurrency = (uint32_t)g->amounts[SHARE_CONCURRENCY];
	grant.limits = (limits->requests_per_minute ? 1u : 0) |
		       (limits->tokens_per_minute ? 2u : 0) | (limits->concurrency ? 4u : 0);
	Freeal__Envelope e = FREEAL__ENVELOPE__INIT;
	e.body_case = FREEAL__ENVELOPE__BODY_GRANT;
	e.grant = &grant;
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		const struct peer *p = peer_get(c->peers, i);
		if (p && p->kept && peer_key(p) == g->peer)
			err_ignore(socket_send(c->socket, &p->id, &e)); /* it is renewed */
	}
}

/* Who may send to one of the endpoints that are asked now. */
static void usable_note(struct coordinator *c, const Freeal__Llm *llm)
{
	for (uint32_t i = 0; i < peer_end(c->peers); i++) {
		struct peer *p = peer_get(c->peers, i);
		if (!p || !p->kept)
			continue;
		p->usable = false;
		for (size_t k = 0; k < llm->n_endpoints; k++) {
			const struct share *s = c->shares[llm->endpoints[k]];
			p->usable |= !s || share_usable(s, peer_key(p), c->now_ms);
		}
	}
}

void grants_send(struct coordinator *c)
{
	const Freeal__Llm *llm = dispatch_llm(c);
	if (!llm || holders_awaited(c->holders))
		return;
	bool sent = false;
	for (size_t k = 0; k < llm->n_endpoints; k++) {
		uint32_t endpoint = llm->endpoints[k];
		const struct share_grant *grants;
		if (!c->shares[endpoint])
			continue;
		size_t count = share_grants(c->shares[endpoint], c->now_ms, &grants);
		for (size_t i = 0; i < count; i++)
			grant_send(c, endpoint, &grants[i]);
		sent |= count > 0;
	}
	if (sent || c->grants_llm != llm)
		usable_note(c, llm);
	c->grants_llm = llm;
}

uint64_t grants_next_ms(const struct coordinator *c)
{
	const Freeal__Llm *llm = dispatch_llm(c);
	uint64_t next_ms = UINT64_MAX;
	for (size_t k = 0; llm && k < llm->n_endpoints; k++) {
		const struct share *s = c->shares[llm->endpoints[k]];
		if (s && share_next_ms(s) < next_ms)
			next_ms = share_next_ms(s);
	}
	return next_ms;
}
