#include "trainer/encoder/tune_predict.h"

#include "math/softmax.h"
#include "trainer/encoder/tune_pack.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Tokens of a batch: enough for products at full speed, few enough to stay in caches. */
enum { PASS_TOKENS = 2048, PASS_TEXTS = 512 };

struct network_limits tune_predict_limits(size_t text_tokens_max)
{
	return (struct network_limits){.tokens_max = text_tokens_max > PASS_TOKENS ? text_tokens_max
										   : PASS_TOKENS,
				       .texts_max = PASS_TEXTS,
				       .states_max = PASS_TEXTS,
				       .text_tokens_max = text_tokens_max};
}

struct pass {
	struct network *network;
	const struct rows *rows;
	const struct progress *progress;
	bool mean_pool;
	size_t columns;	  /* of a result */
	uint64_t *sorted; /* (count) length and place of each row with ids */
	struct tune_pack pack;
	float *sentences; /* (texts_max, hidden) */
	float *results;	  /* (texts_max, columns) */
};

static int number_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static uint32_t row_of(const uint32_t *which, size_t place)
{
	return which ? which[place] : (uint32_t)place;
}

/* The packed rows' results to their places, which end at sorted[end]. */
static void pack_run(struct pass *p, size_t end, float *ret)
{
	struct batch batch = tune_pack_batch(&p->pack, !p->mean_pool);
	size_t texts = p->pack.texts;
	network_forward(p->network, &batch, NULL);
	if (p->mean_pool) {
		network_mean_pool(p->network, &batch, p->results);
	} else {
		network_sentences(p->network, &batch, p->sentences);
		network_head(p->network, p->sentences, texts, NULL, NULL, p->results);
	}
	for (size_t i = 0; i < texts; i++)
		memcpy(ret + (uint32_t)p->sorted[end - texts + i] * p->columns,
		       p->results + i * p->columns, p->columns * sizeof *ret);
	tune_pack_clear(&p->pack);
}

static enum err pass_batches(struct pass *p, const uint32_t *which, size_t count, float *ret)
{
	size_t packed = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t row = row_of(which, i);
		size_t tokens = tune_tokens(p->rows, row);
		memset(ret + i * p->columns, 0, p->columns * sizeof *ret);
		if (tokens > 0)
			p->sorted[packed++] = (uint64_t)tokens << 32 | i;
	}
	qsort(p->sorted, packed, sizeof *p->sorted, number_compare);
	for (size_t i = 0; i <= packed; i++) {
		uint32_t row = i < packed ? row_of(which, (uint32_t)p->sorted[i]) : 0;
		size_t tokens = i < packed ? tune_tokens(p->rows, row) : 0;
		if (p->pack.texts > 0 && (i == packed || !tune_pack_fits(&p->pack, tokens))) {
			if (!progress_cancelled(p->progress))
				pack_run(p, i, ret);
			if (progress_cancelled(p->progress))
				return ERR_CANCELLED;
			progress_set(p->progress, i, packed);
		}
		if (i < packed)
			(void)tune_pack_add(&p->pack, p->rows, row, 0);
	}
	return ERR_OK;
}

static enum err pass_run(struct pass *p, const uint32_t *which, size_t count, float *ret)
{
	const struct network_limits *limits = network_limits(p->network);
	size_t texts =
	    limits->texts_max < limits->states_max ? limits->texts_max : limits->states_max;
	size_t hidden = network_parameters(p->network)->config.hidden;
	/* A network for training has room for more than is good here. */
	struct network_limits pass = tune_predict_limits(limits->text_tokens_max);
	size_t tokens = pass.tokens_max < limits->tokens_max ? pass.tokens_max : limits->tokens_max;
	enum err err = tune_pack_init(&p->pack, texts < PASS_TEXTS ? texts : PASS_TEXTS, tokens);
	if (err)
		return err;
	p->sorted = malloc((count + 1) * sizeof *p->sorted);
	p->sentences = malloc(p->pack.texts_max * hidden * sizeof *p->sentences);
	p->results = malloc(p->pack.texts_max * p->columns * sizeof *p->results);
	err = p->sorted && p->sentences && p->results ? ERR_OK : ERR_NO_MEMORY;
	network_cancel(p->network, p->progress ? p->progress->cancel : NULL);
	if (!err)
		err = pass_batches(p, which, count, ret);
	network_cancel(p->network, NULL);
	tune_pack_done(&p->pack);
	free(p->sorted);
	free(p->sentences);
	free(p->results);
	return err;
}

enum err tune_logits(struct network *n, const struct rows *rows, const uint32_t *which,
		     size_t count, const struct progress *progress, float *ret_logits)
{
	struct pass pass = {.network = n,
			    .rows = rows,
			    .progress = progress,
			    .columns = network_parameters(n)->class_count};
	return pass_run(&pass, which, count, ret_logits);
}

static bool all_finite(const float *x, size_t count)
{
	bool finite = true;
	for (size_t i = 0; i < count; i++)
		finite = finite && isfinite(x[i]);
	return finite;
}

enum err tune_predict_some(struct network *n, const struct rows *rows, const uint32_t *which,
			   size_t count, const struct progress *progress, float *ret_probs,
			   struct err_msg *msg)
{
	size_t classes = network_parameters(n)->class_count;
	enum err err = tune_logits(n, rows, which, count, progress, ret_probs);
	if (err)
		return err_set(msg, err, "predicting: %s", err_str(err));
	if (!all_finite(ret_probs, count * classes))
		return err_set(msg, ERR_INVALID,
			       "predicting: the encoder's output is not finite; its weights are "
			       "damaged, or the training's rate was too high");
	for (size_t i = 0; i < count; i++)
		(void)softmax(ret_probs + i * classes, classes, ret_probs + i * classes);
	return ERR_OK;
}

enum err tune_predict(struct network *n, const struct rows *rows, const struct progress *progress,
		      float *ret_probs, struct err_msg *msg)
{
	return tune_predict_some(n, rows, NULL, rows->count, progress, ret_probs, msg);
}

enum err tune_embed(struct network *n, const struct rows *rows, const struct progress *progress,
		    float *ret_vectors, struct err_msg *msg)
{
	size_t hidden = network_parameters(n)->config.hidden;
	struct pass pass = {
	    .network = n, .rows = rows, .progress = progress, .mean_pool = true, .columns = hidden};
	enum err err = pass_run(&pass, NULL, rows->count, ret_vectors);
	if (err)
		return err_set(msg, err, "embedding: %s", err_str(err));
	if (!all_finite(ret_vectors, rows->count * hidden))
		return err_set(msg, ERR_INVALID,
			       "embedding: the encoder's output is not finite; its weights are "
			       "damaged");
	for (size_t i = 0; i < rows->count; i++) {
		float *v = ret_vectors + i * hidden;
		double square = 0.0;
		for (size_t j = 0; j < hidden; j++)
			square += (double)v[j] * v[j];
		float scale = square > 0.0 ? (float)(1.0 / sqrt(square)) : 0.0f;
		for (size_t j = 0; j < hidden; j++)
			v[j] *= scale;
	}
	return ERR_OK;
}
