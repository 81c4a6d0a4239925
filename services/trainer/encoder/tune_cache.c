#include "trainer/encoder/tune_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NOT_KEPT UINT64_MAX

/* Lays the rows out; returns their tokens. */
static uint64_t starts_make(struct tune_cache *c, const struct rows *const views[TUNE_VIEW_COUNT],
			    const bool *const needed[TUNE_VIEW_COUNT])
{
	uint64_t tokens = 0;
	for (size_t v = 0; v < TUNE_VIEW_COUNT; v++) {
		for (size_t i = 0; views[v] && i < views[v]->count; i++) {
			bool kept = needed[v][i] && tune_tokens(views[v], i) > 0;
			c->starts[v][i] = kept ? tokens : NOT_KEPT;
			tokens += kept ? tune_tokens(views[v], i) : 0;
		}
	}
	return tokens;
}

/* The packed rows' states to their places, which lie one behind the other from `start` on. */
static void pack_keep(struct tune_cache *c, struct network *n, struct tune_pack *pack,
		      uint64_t start)
{
	struct batch batch = tune_pack_batch(pack, false);
	if (pack->texts == 0)
		return;
	network_forward_frozen(n, &batch);
	memcpy(c->states + start * c->hidden, network_frozen_states(n),
	       pack->tokens * c->hidden * sizeof *c->states);
	tune_pack_clear(pack);
}

static enum err view_fill(struct tune_cache *c, struct network *n, const struct rows *rows,
			  const uint64_t *starts, struct tune_pack *pack,
			  const struct progress *progress)
{
	uint64_t start = 0;
	for (size_t i = 0; i < rows->count; i++) {
		if (starts[i] == NOT_KEPT)
			continue;
		if (!tune_pack_fits(pack, tune_tokens(rows, i)))
			pack_keep(c, n, pack, start);
		if (progress_cancelled(progress))
			return ERR_CANCELLED;
		if (pack->texts == 0)
			start = starts[i];
		(void)tune_pack_add(pack, rows, i, 0);
	}
	pack_keep(c, n, pack, start);
	return progress_cancelled(progress) ? ERR_CANCELLED : ERR_OK;
}

enum err tune_cache_init(struct tune_cache *c, struct network *n,
			 const struct rows *const views[TUNE_VIEW_COUNT],
			 const bool *const needed[TUNE_VIEW_COUNT], size_t bytes_max,
			 const struct progress *progress)
{
	const struct network_limits *limits = network_limits(n);
	struct tune_pack pack = {0};
	enum err err = ERR_OK;
	*c = (struct tune_cache){.hidden = network_parameters(n)->config.hidden};
	if (limits->frozen == 0)
		return ERR_OK;
	for (size_t v = 0; v < TUNE_VIEW_COUNT; v++) {
		c->starts[v] = malloc(((views[v] ? views[v]->count : 0) + 1) * sizeof(uint64_t));
		err = c->starts[v] ? err : ERR_NO_MEMORY;
	}
	uint64_t tokens = err ? 0 : starts_make(c, views, needed);
	if (!err && tokens > 0 && tokens <= bytes_max / sizeof(float) / c->hidden) {
		c->states = malloc(tokens * c->hidden * sizeof *c->states);
		err = c->states ? tune_pack_init(&pack, limits->texts_max, limits->tokens_max)
				: ERR_NO_MEMORY;
	}
	for (size_t v = 0; v < TUNE_VIEW_COUNT && c->states && !err; v++)
		if (views[v])
			err = view_fill(c, n, views[v], c->starts[v], &pack, progress);
	tune_pack_done(&pack);
	if (err)
		tune_cache_done(c);
	return err;
}

void tune_cache_done(struct tune_cache *c)
{
	for (size_t v = 0; v < TUNE_VIEW_COUNT; v++)
		free(c->starts[v]);
	free(c->states);
	*c = (struct tune_cache){0};
}

const float *tune_cache_states(const struct tune_cache *c, size_t view, size_t row)
{
	assert(c->states && c->starts[view][row] != NOT_KEPT);
	return c->states + c->starts[view][row] * c->hidden;
}
