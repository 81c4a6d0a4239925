#include "trainer/encoder/encoder_state.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- data ---- */

enum err encoder_data_new(struct encoder *e, const char *const *texts, const size_t *sizes,
			  const char *const *second, const size_t *second_sizes, size_t count,
			  struct encoder_data **ret_data, struct err_msg *msg)
{
	size_t cut = 0;
	struct encoder_data *d = calloc(1, sizeof *d);
	if (!d)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the texts");
	enum err err = rows_make(e->tokenizer, texts, sizes, count, e->tokens_max, e->team,
				 &d->texts, &d->cut, msg);
	if (!err && second) {
		err = rows_make(e->tokenizer, second, second_sizes, count, e->tokens_max, e->team,
				&d->second, &cut, msg);
		d->any_second = !err;
		d->cut += cut;
	}
	if (err) {
		encoder_data_free(d);
		return err;
	}
	*ret_data = d;
	return ERR_OK;
}

void encoder_data_free(struct encoder_data *d)
{
	if (!d)
		return;
	rows_done(&d->texts);
	rows_done(&d->second);
	free(d);
}

size_t encoder_data_cut(const struct encoder_data *d)
{
	return d->cut;
}

/* ---- training ---- */

/* What a training has from its data. */
static struct tune_data tune_data_of(const struct encoder_data *d, const int32_t *labels,
				     size_t class_count)
{
	return (struct tune_data){.texts = d->texts,
				  .second = d->any_second ? &d->second : NULL,
				  .labels = labels,
				  .class_count = class_count};
}

/* Trains a new network from the start checkpoint; encoder_network_done() it on ERR_OK. */
static enum err network_train(struct encoder *e, const struct tune_data *data,
			      const struct tune_config *config, const struct progress *progress,
			      const char *checkpoint, struct encoder_network *n,
			      struct tune_result *ret_result, struct err_msg *msg)
{
	struct weights_found found;
	struct tune_config own = *config;
	struct network_limits limits = tune_limits(config, data, e->tokens_max, e->frozen);
	/* Its memory is wanted. */
	encoder_network_done(&e->pass);
	enum err err = encoder_network_init(n, e, data->class_count, &limits, config->robust.seed,
					    &found, msg);
	if (err)
		return err;
	if (own.cache_bytes_max > memory_limit() / 4)
		own.cache_bytes_max = (size_t)(memory_limit() / 4);
	err = tune_run(n->network, data, &own, progress, checkpoint, ret_result, msg);
	if (err)
		encoder_network_done(n);
	return err;
}

static enum err held_out_predict(const struct encoder_network *n, const struct encoder_data *d,
				 const bool *held_out, const struct progress *progress,
				 float *ret_probs, struct err_msg *msg)
{
	size_t count = 0;
	struct progress silent = {.cancel = progress ? progress->cancel : NULL};
	uint32_t *rows = malloc((d->texts.count + 1) * sizeof *rows);
	if (!rows)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the held-out rows");
	for (size_t i = 0; i < d->texts.count; i++)
		if (held_out[i])
			rows[count++] = (uint32_t)i;
	enum err err =
	    tune_predict_some(n->network, &d->texts, rows, count, &silent, ret_probs, msg);
	free(rows);
	return err;
}

static void probs_even(const bool *held_out, size_t count, size_t class_count, float *ret_probs)
{
	for (size_t i = 0, n = 0; i < count; i++)
		for (size_t j = 0; held_out[i] && j < class_count; j++)
			ret_probs[n++] = 1.0f / (float)class_count;
}

enum err encoder_fold_train(struct encoder *e, const struct encoder_data *d, const int32_t *labels,
			    const bool *held_out, size_t class_count,
			    const struct tune_config *config, const struct progress *progress,
			    const char *checkpoint, float *ret_probs, struct err_msg *msg)
{
	size_t count = d->texts.count, labelled = 0;
	bool *use = calloc(count + 1, sizeof *use);
	struct encoder_network n;
	struct tune_result result;
	if (!use)
		return err_set(msg, ERR_NO_MEMORY, "no memory for the fold");
	for (size_t i = 0; i < count; i++) {
		assert(labels[i] < (int32_t)class_count);
		use[i] = !held_out[i];
		labelled += use[i] && labels[i] >= 0;
	}
	if (labelled == 0) {
		probs_even(held_out, count, class_count, ret_probs);
		free(use);
		return ERR_OK;
	}
	struct tune_data data = tune_data_of(d, labels, class_count);
	data.use = use;
	enum err err = network_train(e, &data, config, progress, checkpoint, &n, &result, msg);
	if (!err) {
		err = held_out_predict(&n, d, held_out, progress, ret_probs, msg);
		encoder_network_done(&n);
	}
	free(use);
	return err;
}

enum err encoder_train(struct encoder *e, const struct encoder_training *t,
		       const struct tune_config *config, const struct progress *progress,
		       const char *checkpoint, uint64_t *ret_checksum, double *ret_loss,
		       struct err_msg *msg)
{
	struct tune_data data = tune_data_of(t->data, t->labels, t->class_count);
	struct encoder_network n;
	struct tune_result result;
	data.clean = t->clean;
	data.refit = t->refit;
	data.refit_context = t->refit_context;
	data.epoch_done = t->epoch_done;
	data.epoch_context = t->epoch_context;
	enum err err = network_train(e, &data, config, progress, checkpoint, &n, &result, msg);
	if (err)
		return err;
	err = weights_save(e->folder, &n.parameters, network_weights(n.network), t->label_names,
			   e->tokens_max, t->folder, ret_checksum, msg);
	encoder_network_done(&n);
	if (!err)
		*ret_loss = result.loss;
	return err;
}
