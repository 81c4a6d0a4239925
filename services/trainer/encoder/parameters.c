#include "trainer/encoder/parameters.h"

#include <assert.h>
#include <stdlib.h>

#define ALIGN_FLOATS 16u /* 64 bytes: a cache line, and the widest vector */
#define SINGLE_FIRST_COUNT PARAMETER_HEAD_DENSE_WEIGHT /* of those before the layers */

static size_t list_index_layer(size_t layer, enum parameter_layer which)
{
	return SINGLE_FIRST_COUNT + layer * PARAMETER_LAYER_COUNT + which;
}

static size_t list_index_single(const struct parameters *p, enum parameter_single which)
{
	if (which < SINGLE_FIRST_COUNT)
		return which;
	return list_index_layer(p->config.layers, 0) + which - SINGLE_FIRST_COUNT;
}

static struct parameter matrix_shape(size_t rows, size_t columns)
{
	return (struct parameter){.rows = rows, .columns = columns, .decays = true};
}

static struct parameter vector_shape(size_t columns)
{
	return (struct parameter){.rows = columns > 0, .columns = columns};
}

static struct parameter single_shape(const struct encoder_config *c, size_t class_count,
				     enum parameter_single which)
{
	switch (which) {
	case PARAMETER_WORD:
		return matrix_shape(c->vocabulary, c->hidden);
	case PARAMETER_POSITION:
		return matrix_shape(c->positions, c->hidden);
	case PARAMETER_TYPE:
		return matrix_shape(c->types, c->hidden);
	case PARAMETER_HEAD_DENSE_WEIGHT:
		return matrix_shape(c->hidden, c->hidden);
	case PARAMETER_HEAD_OUT_WEIGHT:
		return matrix_shape(class_count, c->hidden);
	case PARAMETER_HEAD_OUT_BIAS:
		return vector_shape(class_count);
	default:
		return vector_shape(c->hidden);
	}
}

static struct parameter layer_shape(const struct encoder_config *c, enum parameter_layer which)
{
	switch (which) {
	case PARAMETER_QKV_WEIGHT:
		return matrix_shape(3 * (size_t)c->hidden, c->hidden);
	case PARAMETER_QKV_BIAS:
		return vector_shape(3 * (size_t)c->hidden);
	case PARAMETER_ATTENTION_OUT_WEIGHT:
		return matrix_shape(c->hidden, c->hidden);
	case PARAMETER_UP_WEIGHT:
		return matrix_shape(c->intermediate, c->hidden);
	case PARAMETER_UP_BIAS:
		return vector_shape(c->intermediate);
	case PARAMETER_DOWN_WEIGHT:
		return matrix_shape(c->hidden, c->intermediate);
	default:
		return vector_shape(c->hidden);
	}
}

enum err parameters_init(struct parameters *p, const struct encoder_config *config,
			 size_t class_count)
{
	struct parameters made = {.config = *config, .class_count = class_count};
	made.count =
	    PARAMETER_SINGLE_COUNT + (size_t)config->layers * (size_t)PARAMETER_LAYER_COUNT;
	made.list = calloc(made.count, sizeof *made.list);
	if (!made.list)
		return ERR_NO_MEMORY;
	for (enum parameter_single i = 0; i < PARAMETER_SINGLE_COUNT; i++)
		made.list[list_index_single(&made, i)] = single_shape(config, class_count, i);
	for (size_t layer = 0; layer < config->layers; layer++)
		for (enum parameter_layer i = 0; i < PARAMETER_LAYER_COUNT; i++)
			made.list[list_index_layer(layer, i)] = layer_shape(config, i);
	for (size_t i = 0; i < made.count; i++) {
		struct parameter *each = &made.list[i];
		each->offset = made.size;
		made.size +=
		    (each->rows * each->columns + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
	}
	*p = made;
	return ERR_OK;
}

void parameters_done(struct parameters *p)
{
	free(p->list);
	*p = (struct parameters){0};
}

const struct parameter *parameters_single(const struct parameters *p, enum parameter_single which)
{
	assert(which < PARAMETER_SINGLE_COUNT);
	return &p->list[list_index_single(p, which)];
}

const struct parameter *parameters_layer(const struct parameters *p, size_t layer,
					 enum parameter_layer which)
{
	assert(layer < p->config.layers && which < PARAMETER_LAYER_COUNT);
	return &p->list[list_index_layer(layer, which)];
}

size_t parameters_trained(const struct parameters *p, uint32_t frozen)
{
	if (frozen == 0)
		return 0;
	if (frozen < p->config.layers)
		return parameters_layer(p, frozen, PARAMETER_QKV_WEIGHT)->offset;
	return parameters_single(p, PARAMETER_HEAD_DENSE_WEIGHT)->offset;
}
