#include "trainer/encoder/config.h"

#include "base/folder.h"
#include "text/json_file.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define CONFIG_BYTES_MAX (16u << 20)
#define TOKENS_MIN 3u /* a text's one, between the special ones */

/* A whole number. */
struct size_key {
	const char *name;
	int64_t fallback; /* where there is no such key; -1: it must be there */
	uint32_t min, max;
	size_t offset;
};

/* A number, or null: as if it were not there. */
struct rate_key {
	const char *name;
	double fallback;
	double min, max;
	size_t offset;
};

#define AT(member) offsetof(struct encoder_config, member)
#define VOCABULARY_KEY                                                                             \
	{                                                                                          \
		"vocab_size", -1, 1, 4u << 20, AT(vocabulary)                                      \
	}
#define POSITIONS_KEY                                                                              \
	{                                                                                          \
		"max_position_embeddings", -1, TOKENS_MIN, 65536, AT(positions)                    \
	}
#define INITIALIZER_KEY                                                                            \
	{                                                                                          \
		"initializer_range", 0.02, 1e-9, 1, AT(initializer_range)                          \
	}
#define HIDDEN_MAX 8192
#define LAYERS_MAX 256
#define HEADS_MAX 1024
#define INTERMEDIATE_MAX 65536
#define TYPES_MAX 1024
/* 1 would drop everything. */
#define DROPOUT_MAX 0.99

static const struct size_key BERT_SIZES[] = {
    {"hidden_size", -1, 1, HIDDEN_MAX, AT(hidden)},
    {"num_hidden_layers", -1, 1, LAYERS_MAX, AT(layers)},
    {"num_attention_heads", -1, 1, HEADS_MAX, AT(heads)},
    {"intermediate_size", -1, 1, INTERMEDIATE_MAX, AT(intermediate)},
    {"type_vocab_size", 2, 1, TYPES_MAX, AT(types)},
    VOCABULARY_KEY,
    POSITIONS_KEY,
    {0},
};

static const struct rate_key BERT_RATES[] = {
    {"layer_norm_eps", 1e-12, 1e-30, 0.1, AT(epsilon)},
    {"hidden_dropout_prob", 0.1, 0, DROPOUT_MAX, AT(dropout)},
    {"attention_probs_dropout_prob", 0.1, 0, DROPOUT_MAX, AT(dropout_attention)},
    {"classifier_dropout", NAN, 0, DROPOUT_MAX, AT(dropout_head)},
    INITIALIZER_KEY,
    {0},
};

static const struct size_key DISTILBERT_SIZES[] = {
    {"dim", -1, 1, HIDDEN_MAX, AT(hidden)},
    {"n_layers", -1, 1, LAYERS_MAX, AT(layers)},
    {"n_heads", -1, 1, HEADS_MAX, AT(heads)},
    {"hidden_dim", -1, 1, INTERMEDIATE_MAX, AT(intermediate)},
    VOCABULARY_KEY,
    POSITIONS_KEY,
    {0},
};

static const struct rate_key DISTILBERT_RATES[] = {
    {"dropout", 0.1, 0, DROPOUT_MAX, AT(dropout)},
    {"attention_dropout", 0.1, 0, DROPOUT_MAX, AT(dropout_attention)},
    {"seq_classif_dropout", 0.2, 0, DROPOUT_MAX, AT(dropout_head)},
    INITIALIZER_KEY,
    {0},
};

static const struct family {
	const char *model_type, *activation_key;
	const struct size_key *sizes;
	const struct rate_key *rates;
} FAMILIES[] = {
    [ENCODER_BERT] = {"bert", "hidden_act", BERT_SIZES, BERT_RATES},
    [ENCODER_ROBERTA] = {"roberta", "hidden_act", BERT_SIZES, BERT_RATES},
    [ENCODER_DISTILBERT] = {"distilbert", "activation", DISTILBERT_SIZES, DISTILBERT_RATES},
};

uint32_t encoder_config_tokens_max(const struct encoder_config *c)
{
	return c->positions - c->position_first;
}

static enum err size_read(const struct size_key *key, const char *path, const json_t *object,
			  uint32_t *ret, struct err_msg *msg)
{
	const json_t *value = json_object_get(object, key->name);
	json_int_t number = value ? json_integer_value(value) : key->fallback;
	if (!value && key->fallback < 0)
		return err_set(msg, ERR_INVALID, "%s: %s is missing", path, key->name);
	if ((value && !json_is_integer(value)) || number < key->min || number > key->max)
		return err_set(msg, ERR_INVALID,
			       "%s: %s must be a whole number of %" PRIu32 " to %" PRIu32, path,
			       key->name, key->min, key->max);
	*ret = (uint32_t)number;
	return ERR_OK;
}

static enum err rate_read(const struct rate_key *key, const char *path, const json_t *object,
			  float *ret, struct err_msg *msg)
{
	const json_t *value = json_object_get(object, key->name);
	if (!value || json_is_null(value)) {
		*ret = (float)key->fallback;
		return ERR_OK;
	}
	double number = json_number_value(value);
	if (!json_is_number(value) || number < key->min || number > key->max)
		return err_set(msg, ERR_INVALID, "%s: %s must be a number of %g to %g", path,
			       key->name, key->min, key->max);
	*ret = (float)number;
	return ERR_OK;
}

/* The word that is there, and the one that is supported; a missing key means that one. */
static enum err word_check(const char *path, const json_t *object, const char *key,
			   const char *supported, struct err_msg *msg)
{
	const json_t *value = json_object_get(object, key);
	const char *word = json_is_string(value) ? json_string_value(value) : "no text";
	if (!value || json_is_null(value) || strcmp(word, supported) == 0)
		return ERR_OK;
	return err_set(msg, ERR_INVALID, "%s: %s is %.64s; only %s is supported", path, key, word,
		       supported);
}

static enum err family_find(const char *path, const json_t *object, enum encoder_family *ret,
			    struct err_msg *msg)
{
	const char *type = json_string_value(json_object_get(object, "model_type"));
	for (size_t i = 0; type && i < sizeof FAMILIES / sizeof *FAMILIES; i++)
		if (strcmp(type, FAMILIES[i].model_type) == 0) {
			*ret = (enum encoder_family)i;
			return ERR_OK;
		}
	return err_set(msg, ERR_INVALID,
		       "%s: model_type is %.64s; bert, roberta and distilbert are supported", path,
		       type ? type : "missing");
}

/* What would change the computation. */
static enum err variant_check(const char *path, const json_t *object, const struct family *family,
			      struct err_msg *msg)
{
	static const char *const must_be_false[] = {"is_decoder", "add_cross_attention"};
	enum err e = word_check(path, object, family->activation_key, "gelu", msg);
	if (!e)
		e = word_check(path, object, "position_embedding_type", "absolute", msg);
	for (size_t i = 0; !e && i < sizeof must_be_false / sizeof *must_be_false; i++)
		if (json_is_true(json_object_get(object, must_be_false[i])))
			e = err_set(msg, ERR_INVALID, "%s: %s is set; only encoders are supported",
				    path, must_be_false[i]);
	if (!e && json_object_size(json_object_get(object, "pruned_heads")) > 0)
		e = err_set(msg, ERR_INVALID, "%s: pruned_heads is not supported", path);
	return e;
}

/* What the keys must be to each other. */
static enum err shape_check(const char *path, const json_t *object, struct encoder_config *c,
			    struct err_msg *msg)
{
	if (c->hidden % c->heads != 0)
		return err_set(msg, ERR_INVALID,
			       "%s: a hidden size of %" PRIu32 " can't be split into %" PRIu32
			       " heads",
			       path, c->hidden, c->heads);
	if (isnan(c->dropout_head))
		c->dropout_head = c->dropout;
	if (c->family != ENCODER_ROBERTA)
		return ERR_OK;
	const struct size_key padding = {"pad_token_id", 1, 0, c->positions - 1, 0};
	uint32_t id;
	enum err e = size_read(&padding, path, object, &id, msg);
	if (e)
		return e;
	c->position_first = id + 1;
	if (encoder_config_tokens_max(c) < TOKENS_MIN)
		return err_set(msg, ERR_INVALID,
			       "%s: pad_token_id leaves no room in max_position_embeddings", path);
	return ERR_OK;
}

enum err encoder_config_read(const char *path, const json_t *object,
			     struct encoder_config *ret_config, struct err_msg *msg)
{
	struct encoder_config c = {.epsilon = 1e-12f}; /* DistilBERT's, which has no key for it */
	enum err e = family_find(path, object, &c.family, msg);
	if (e)
		return e;
	const struct family *family = &FAMILIES[c.family];
	e = variant_check(path, object, family, msg);
	for (const struct size_key *key = family->sizes; !e && key->name; key++)
		e = size_read(key, path, object, (uint32_t *)(void *)((char *)&c + key->offset),
			      msg);
	for (const struct rate_key *key = family->rates; !e && key->name; key++)
		e = rate_read(key, path, object, (float *)(void *)((char *)&c + key->offset), msg);
	if (!e)
		e = shape_check(path, object, &c, msg);
	if (!e)
		*ret_config = c;
	return e;
}

enum err encoder_config_object(const char *folder, json_t **ret_object, struct err_msg *msg)
{
	char path[PATH_MAX];
	enum err e = folder_path(folder, "config.json", path, msg);
	return e ? e : json_file_load(path, CONFIG_BYTES_MAX, ret_object, msg);
}

enum err encoder_config_load(const char *folder, struct encoder_config *ret_config,
			     struct err_msg *msg)
{
	char path[PATH_MAX];
	json_t *object;
	enum err e = folder_path(folder, "config.json", path, msg);
	if (!e)
		e = encoder_config_object(folder, &object, msg);
	if (e)
		return e;
	e = encoder_config_read(path, object, ret_config, msg);
	json_decref(object);
	return e;
}
