#include "trainer/encoder/encoder_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_DEFAULT 128u
#define TOKENS_MIN 3u

/* ---- networks ---- */

enum err encoder_network_init(struct encoder_network *n, struct encoder *e, size_t class_count,
			      const struct network_limits *limits, uint64_t seed,
			      struct weights_found *ret_found, struct err_msg *msg)
{
	*n = (struct encoder_network){0};
	if (parameters_init(&n->parameters, &e->config, class_count))
		return err_set(msg, ERR_NO_MEMORY, "no memory for the encoder");
	enum err err =
	    encoder_bytes_check(e, encoder_bytes(e, &n->parameters, limits), limits, msg);
	if (!err)
		err = network_new(&n->parameters, limits, e->team, e->precision, &n->network, msg);
	if (!err)
		err = weights_load(e->folder, &n->parameters, seed, network_weights(n->network),
				   ret_found, msg);
	if (err) {
		encoder_network_done(n);
		return err;
	}
	network_weights_changed(n->network);
	return ERR_OK;
}

void encoder_network_done(struct encoder_network *n)
{
	network_free(n->network);
	parameters_done(&n->parameters);
	*n = (struct encoder_network){0};
}

/* ---- open ---- */

static enum err options_check(struct encoder *e, const struct encoder_options *o,
			      struct err_msg *msg)
{
	uint32_t most = encoder_config_tokens_max(&e->config);
	uint32_t tokens = o->tokens_max;
	if (tokens == 0)
		tokens = most < TOKENS_DEFAULT ? most : TOKENS_DEFAULT;
	if (tokens < TOKENS_MIN || tokens > most)
		return err_set(msg, ERR_INVALID, "tokens: %u, but texts of %s have %u to %u tokens",
			       tokens, e->folder, TOKENS_MIN, most);
	if (o->frozen > e->config.layers)
		return err_set(msg, ERR_INVALID, "freeze: %u, but %s has %u layers", o->frozen,
			       e->folder, e->config.layers);
	if (tokenizer_vocabulary(e->tokenizer) > e->config.vocabulary)
		return err_set(msg, ERR_INVALID,
			       "%s: its tokenizer makes ids below %u, but its config.json has a "
			       "vocab_size of %u",
			       e->folder, tokenizer_vocabulary(e->tokenizer), e->config.vocabulary);
	e->tokens_max = tokens;
	e->frozen = o->frozen;
	e->precision = o->precision < 0 ? gemm_precision_best() : (enum precision)o->precision;
	return ERR_OK;
}

/* A team, and that it can compute in that precision. */
static enum err team_start(struct encoder *e, size_t thread_count, struct err_msg *msg)
{
	struct gemm *gemm;
	if (team_new(thread_count > 0 ? thread_count : 1, &e->team))
		return err_set(msg, ERR_NO_MEMORY, "cannot start %zu threads", thread_count);
	enum err err = gemm_new(e->team, e->precision, &gemm, msg);
	if (!err)
		gemm_free(gemm);
	return err;
}

enum err encoder_open(const char *folder, const struct encoder_options *options,
		      struct encoder **ret_encoder, struct err_msg *msg)
{
	size_t classes;
	struct encoder *e = calloc(1, sizeof *e);
	if (!e || !(e->folder = strdup(folder))) {
		free(e);
		return err_set(msg, ERR_NO_MEMORY, "no memory for the encoder");
	}
	enum err err = encoder_config_load(folder, &e->config, msg);
	if (!err)
		err = tokenizer_load(folder, &e->tokenizer, msg);
	if (!err)
		err = options_check(e, options, msg);
	/* Opens the weights file and checks its header. */
	if (!err)
		err = weights_class_count(folder, &e->config, &classes, msg);
	if (!err)
		err = team_start(e, options->thread_count, msg);
	if (err) {
		encoder_free(e);
		return err;
	}
	*ret_encoder = e;
	return ERR_OK;
}

void encoder_free(struct encoder *e)
{
	if (!e)
		return;
	encoder_network_done(&e->pass);
	tokenizer_free(e->tokenizer);
	team_free(e->team);
	free(e->folder);
	free(e);
}

uint32_t encoder_dimensions(const struct encoder *e)
{
	return e->config.hidden;
}

uint32_t encoder_tokens_max(const struct encoder *e)
{
	return e->tokens_max;
}

/* ---- passes ---- */

enum err encoder_embed(struct encoder *e, const char *const *texts, const size_t *sizes,
		       size_t count, const struct progress *progress, float *ret_vectors,
		       struct err_msg *msg)
{
	struct rows rows;
	enum err err = ERR_OK;
	if (!e->pass.network) {
		struct network_limits limits = tune_predict_limits(e->tokens_max);
		struct weights_found found;
		err = encoder_network_init(&e->pass, e, 0, &limits, 0, &found, msg);
	}
	if (!err)
		err = rows_make(e->tokenizer, texts, sizes, count, e->tokens_max, e->team, &rows,
				NULL, msg);
	if (err)
		return err;
	err = tune_embed(e->pass.network, &rows, progress, ret_vectors, msg);
	rows_done(&rows);
	return err;
}

enum err encoder_model_open(const char *folder, const struct encoder_options *options,
			    struct encoder **ret_encoder, struct weights_labels *ret_labels,
			    uint64_t *ret_checksum, struct err_msg *msg)
{
	struct weights_labels labels;
	struct weights_found found;
	struct encoder *e;
	uint64_t checksum;
	enum err err = weights_labels_load(folder, &labels, &checksum, msg);
	if (err)
		return err;
	err = encoder_open(folder, options, &e, msg);
	if (err) {
		weights_labels_done(&labels);
		return err;
	}
	struct network_limits limits = tune_predict_limits(e->tokens_max);
	err = encoder_network_init(&e->pass, e, labels.count, &limits, 0, &found, msg);
	if (!err && !(found.head_dense && found.head_out))
		err = err_set(msg, ERR_INVALID,
			      "%s has no classifier for its %zu labels: it is a checkpoint to "
			      "train from, not a model",
			      folder, labels.count);
	if (err) {
		encoder_free(e);
		weights_labels_done(&labels);
		return err;
	}
	*ret_encoder = e;
	*ret_labels = labels;
	*ret_checksum = checksum;
	return ERR_OK;
}

enum err encoder_predict(struct encoder *e, const char *const *texts, const size_t *sizes,
			 size_t count, const struct progress *progress, float *ret_probs,
			 struct err_msg *msg)
{
	struct rows rows;
	enum err err =
	    rows_make(e->tokenizer, texts, sizes, count, e->tokens_max, e->team, &rows, NULL, msg);
	if (err)
		return err;
	err = tune_predict(e->pass.network, &rows, progress, ret_probs, msg);
	rows_done(&rows);
	return err;
}
