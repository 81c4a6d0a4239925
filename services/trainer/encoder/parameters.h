/*
 * The encoder's parameters as one array of floats, so that the optimiser, the norm, the
 * exchange between processes and the checkpoint are loops over it. Gradients and the
 * optimiser's moments have the same layout.
 *
 * Matrices are row-major (output, input), as PyTorch's Linear keeps them. Query, key and value
 * lie one behind the other and make one matrix (3 * hidden, hidden).
 */
#ifndef FREEAL_TRAINER_ENCODER_PARAMETERS_H
#define FREEAL_TRAINER_ENCODER_PARAMETERS_H

#include "trainer/encoder/config.h"

#include <stdbool.h>
#include <stddef.h>

/* Those that exist once. The head: BERT: dense = pooler.dense, out = classifier; RoBERTa:
 * classifier.dense, classifier.out_proj; DistilBERT: pre_classifier, classifier. */
enum parameter_single {
	PARAMETER_WORD,	    /* (vocabulary, hidden) */
	PARAMETER_POSITION, /* (positions, hidden) */
	PARAMETER_TYPE,	    /* (types, hidden) */
	PARAMETER_EMBED_GAMMA,
	PARAMETER_EMBED_BETA,
	PARAMETER_HEAD_DENSE_WEIGHT, /* (hidden, hidden) */
	PARAMETER_HEAD_DENSE_BIAS,
	PARAMETER_HEAD_OUT_WEIGHT, /* (classes, hidden) */
	PARAMETER_HEAD_OUT_BIAS,
	PARAMETER_SINGLE_COUNT,
};

/* Those of each layer. */
enum parameter_layer {
	PARAMETER_QKV_WEIGHT, /* (3 * hidden, hidden): query, key, value */
	PARAMETER_QKV_BIAS,
	PARAMETER_ATTENTION_OUT_WEIGHT, /* (hidden, hidden) */
	PARAMETER_ATTENTION_OUT_BIAS,
	PARAMETER_ATTENTION_GAMMA,
	PARAMETER_ATTENTION_BETA,
	PARAMETER_UP_WEIGHT, /* (intermediate, hidden) */
	PARAMETER_UP_BIAS,
	PARAMETER_DOWN_WEIGHT, /* (hidden, intermediate) */
	PARAMETER_DOWN_BIAS,
	PARAMETER_OUT_GAMMA,
	PARAMETER_OUT_BETA,
	PARAMETER_LAYER_COUNT,
};

struct parameter {
	size_t offset;	      /* in floats; a multiple of 16 */
	size_t rows, columns; /* a vector has one row */
	bool decays;	      /* weight decay: matrices and embeddings, not biases and LayerNorm */
};

struct parameters {
	struct encoder_config config;
	size_t class_count;
	struct parameter *list; /* (count): the singles up to EMBED_BETA, the layers', the head's */
	size_t count;
	size_t size; /* floats in all; what lies between two parameters is 0 */
};

/* `config` within the bounds of encoder_config_load. class_count 0, for vectors alone: the two
 * HEAD_OUT parameters have no rows. ERR_NO_MEMORY alone can happen. */
enum err parameters_init(struct parameters *p, const struct encoder_config *config,
			 size_t class_count) WARN_UNUSED;
void parameters_done(struct parameters *p);
const struct parameter *parameters_single(const struct parameters *p, enum parameter_single which);
const struct parameter *parameters_layer(const struct parameters *p, size_t layer,
					 enum parameter_layer which);
/* Offset of the first parameter that is trained, all behind which are, where the embeddings and
 * the layers 0 .. frozen-1 are not; frozen 0: 0. */
size_t parameters_trained(const struct parameters *p, uint32_t frozen);

#endif
