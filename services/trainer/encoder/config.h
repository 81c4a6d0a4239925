/*
 * What config.json of a Hugging Face checkpoint says: the shape of a BERT, RoBERTa or
 * DistilBERT encoder.
 */
#ifndef FREEAL_TRAINER_ENCODER_CONFIG_H
#define FREEAL_TRAINER_ENCODER_CONFIG_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum encoder_family {
	ENCODER_BERT,
	ENCODER_ROBERTA, /* not xlm-roberta and camembert: other tokenizers */
	ENCODER_DISTILBERT,
};

struct encoder_config {
	enum encoder_family family;
	uint32_t hidden; /* a multiple of `heads` */
	uint32_t layers, heads;
	uint32_t intermediate;
	uint32_t vocabulary;
	uint32_t positions;	 /* rows of the position table */
	uint32_t position_first; /* row of a text's first token: RoBERTa's padding id + 1, else 0 */
	uint32_t types;		 /* rows of the token type table; 0: none (DistilBERT) */
	float epsilon;		 /* of LayerNorm */
	float dropout;		 /* of hidden states */
	float dropout_attention; /* of attention probabilities */
	float dropout_head;	 /* of the classification head */
	float initializer_range;
};

/* Tokens of the longest text, special tokens included; at least 3. */
uint32_t encoder_config_tokens_max(const struct encoder_config *c);

/*
 * Reads FOLDER/config.json. ERR_INVALID: not a shape that is supported (the message names what
 * is there and what is supported: model types, gelu, absolute positions, no decoder), or sizes
 * out of all bounds; ERR_NOT_FOUND: no such file; ERR_CORRUPT: not JSON.
 */
enum err encoder_config_load(const char *folder, struct encoder_config *ret_config,
			     struct err_msg *msg) WARN_UNUSED;

/* The same of a JSON object that was read from `path`. */
enum err encoder_config_read(const char *path, const json_t *object,
			     struct encoder_config *ret_config, struct err_msg *msg) WARN_UNUSED;

/* FOLDER/config.json, whatever is in it. json_decref() the object. */
enum err encoder_config_object(const char *folder, json_t **ret_object,
			       struct err_msg *msg) WARN_UNUSED;

#endif
