#include "coordinator/rungs.h"

#include <stdlib.h>
#include <string.h>

void rungs_init(struct rungs *r)
{
	*r = (struct rungs){0};
}

static void kinds_done(struct rung_kind *kinds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(kinds[i].name);
		free(kinds[i].model);
	}
}

void rungs_done(struct rungs *r)
{
	for (size_t i = 0; i < r->count; i++) {
		kinds_done(r->items[i].reasons, r->items[i].reason_count);
		kinds_done(r->items[i].endpoints, r->items[i].endpoint_count);
	}
	free(r->items);
	*r = (struct rungs){0};
}

static enum err rung_get(struct rungs *r, uint32_t round, struct rung **ret_rung)
{
	if (round >= r->count) {
		struct rung *grown = realloc(r->items, (round + 1) * sizeof *grown);
		if (!grown)
			return ERR_NO_MEMORY;
		memset(grown + r->count, 0, (round + 1 - r->count) * sizeof *grown);
		r->items = grown;
		r->count = round + 1;
	}
	*ret_rung = &r->items[round];
	return ERR_OK;
}

static enum err kind_count(struct rung_kind *kinds, size_t *count, const char *name,
			   const char *model)
{
	size_t at = 0;
	while (at < *count && at + 1 < RUNG_KINDS_MAX &&
	       (strcmp(kinds[at].name, name) != 0 || strcmp(kinds[at].model, model) != 0))
		at++;
	if (at == *count) {
		struct rung_kind kind = {.name = strdup(name), .model = strdup(model)};
		if (!kind.name || !kind.model) {
			kinds_done(&kind, 1);
			return ERR_NO_MEMORY;
		}
		kinds[at] = kind;
		(*count)++;
	}
	kinds[at].count++;
	return ERR_OK;
}

static void label_count(struct rung *g, int32_t before, int32_t now, int32_t gold)
{
	bool changed = before >= 0 && before != now;
	g->changed += changed;
	if (gold < 0)
		return;
	g->right.samples++;
	g->right.correct += now == gold;
	g->mended += changed && now == gold;
	g->broken += changed && before == gold;
}

enum err rungs_add(struct rungs *r, const struct view_row *row)
{
	int32_t before = LABEL_NONE;
	for (size_t i = 0; i < row->event_count; i++) {
		const Freeal__LabelEvent *event = row->events[i];
		const Freeal__Annotation *a = event->annotation;
		struct rung *g = NULL;
		if (event->source != FREEAL__LABEL_SOURCE__LLM || !a)
			continue;
		enum err e = rung_get(r, event->round, &g);
		if (!e)
			e = kind_count(g->endpoints, &g->endpoint_count, a->endpoint, a->model);
		int32_t now = label_class(a);
		if (!e && now == LABEL_NONE)
			e = kind_count(g->reasons, &g->reason_count, a->reason, "");
		if (e)
			return e;
		g->answers++;
		if (now >= 0) {
			label_count(g, before, now, row->gold);
			before = now;
		}
	}
	return ERR_OK;
}
