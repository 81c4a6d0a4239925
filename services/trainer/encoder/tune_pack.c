#include "trainer/encoder/tune_pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum err tune_pack_init(struct tune_pack *p, size_t texts_max, size_t tokens_max)
{
	*p = (struct tune_pack){.texts_max = texts_max,
				.tokens_max = tokens_max,
				.ids = malloc((tokens_max + 1) * sizeof *p->ids),
				.offsets = calloc(texts_max + 1, sizeof *p->offsets),
				.keys = malloc((texts_max + 1) * sizeof *p->keys)};
	if (p->ids && p->offsets && p->keys)
		return ERR_OK;
	tune_pack_done(p);
	return ERR_NO_MEMORY;
}

void tune_pack_done(struct tune_pack *p)
{
	free(p->ids);
	free(p->offsets);
	free(p->keys);
	*p = (struct tune_pack){0};
}

void tune_pack_clear(struct tune_pack *p)
{
	p->texts = p->tokens = 0;
}

bool tune_pack_fits(const struct tune_pack *p, size_t tokens)
{
	return p->texts < p->texts_max && tokens <= p->tokens_max - p->tokens;
}

size_t tune_pack_add(struct tune_pack *p, const struct rows *rows, size_t row, uint64_t key)
{
	size_t tokens = tune_tokens(rows, row);
	assert(tokens > 0 && tune_pack_fits(p, tokens));
	memcpy(p->ids + p->tokens, rows->ids + rows->offsets[row], tokens * sizeof *p->ids);
	p->tokens += tokens;
	p->keys[p->texts++] = key;
	p->offsets[p->texts] = (uint32_t)p->tokens;
	return p->texts - 1;
}

struct batch tune_pack_batch(const struct tune_pack *p, bool sentences_only)
{
	return (struct batch){.text_count = p->texts,
			      .token_count = p->tokens,
			      .ids = p->ids,
			      .offsets = p->offsets,
			      .keys = p->keys,
			      .sentences_only = sentences_only};
}
