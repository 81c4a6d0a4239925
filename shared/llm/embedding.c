#include "llm/embedding.h"

#include <jansson.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static int buf_write(const char *data, size_t size, void *context)
{
	struct buf *out = context;
	buf_add(out, data, size);
	return buf_error(out) ? -1 : 0;
}

enum err embedding_request_write(const Freeal__Embeddings *settings, const char *const *texts,
				 const size_t *sizes, size_t count, struct buf *out)
{
	json_t *input = json_array();
	enum err e = ERR_OK;
	for (size_t i = 0; !e && i < count; i++) {
		json_t *text = json_stringn(texts[i], sizes[i]);
		if (!text)
			e = ERR_INVALID;
		else if (json_array_append_new(input, text) != 0)
			e = ERR_NO_MEMORY;
	}
	json_t *root = json_pack("{s:s, s:o, s:s}", "model", settings->endpoint->model, "input",
				 input, "encoding_format", "float");
	if (!root)
		return e ? e : ERR_INVALID;
	if (settings->dimensions > 0 &&
	    json_object_set_new(root, "dimensions", json_integer(settings->dimensions)) != 0)
		e = e ? e : ERR_NO_MEMORY;
	if (!e && json_dump_callback(root, buf_write, out, JSON_COMPACT) != 0)
		e = buf_error(out) ? buf_error(out) : ERR_NO_MEMORY;
	json_decref(root);
	return e;
}

static const json_t *vector_of(const json_t *item)
{
	const json_t *vector = json_object_get(item, "embedding");
	return json_is_array(vector) ? vector : NULL;
}

uint32_t embedding_reply_dimensions(const char *body, size_t size)
{
	json_t *root = json_loadb(body, size, JSON_ALLOW_NUL, NULL);
	const json_t *vector = vector_of(json_array_get(json_object_get(root, "data"), 0));
	size_t dimensions = json_array_size(vector);
	json_decref(root);
	return dimensions <= EMBEDDING_DIMENSIONS_MAX ? (uint32_t)dimensions : 0;
}

static enum err row_read(const json_t *vector, uint32_t dimensions, float *row)
{
	double square = 0;
	if (json_array_size(vector) != dimensions)
		return ERR_PROTOCOL;
	for (uint32_t k = 0; k < dimensions; k++) {
		const json_t *number = json_array_get(vector, k);
		double value = json_number_value(number);
		if (!json_is_number(number) || !(fabs(value) < 1e15))
			return ERR_PROTOCOL;
		row[k] = (float)value;
		square += value * value;
	}
	for (uint32_t k = 0; square > 0 && k < dimensions; k++)
		row[k] = (float)(row[k] / sqrt(square));
	return ERR_OK;
}

static enum err rows_read(const json_t *data, size_t count, uint32_t dimensions, bool *seen,
			  float *ret_rows)
{
	if (json_array_size(data) != count)
		return ERR_PROTOCOL;
	for (size_t i = 0; i < count; i++) {
		const json_t *item = json_array_get(data, i),
			     *index = json_object_get(item, "index");
		json_int_t at = json_is_integer(index) ? json_integer_value(index) : (json_int_t)i;
		const json_t *vector = vector_of(item);
		if (!vector || at < 0 || at >= (json_int_t)count || seen[at])
			return ERR_PROTOCOL;
		seen[at] = true;
		enum err e = row_read(vector, dimensions, ret_rows + (size_t)at * dimensions);
		if (e)
			return e;
	}
	return ERR_OK;
}

enum err embedding_reply_read(const char *body, size_t size, size_t count, uint32_t dimensions,
			      float *ret_rows, uint64_t *ret_tokens)
{
	bool *seen = calloc(count + 1, sizeof *seen);
	if (!seen)
		return ERR_NO_MEMORY;
	json_t *root = json_loadb(body, size, JSON_ALLOW_NUL, NULL);
	enum err e = rows_read(json_object_get(root, "data"), count, dimensions, seen, ret_rows);
	const json_t *tokens = json_object_get(json_object_get(root, "usage"), "prompt_tokens");
	json_int_t value = json_integer_value(tokens);
	*ret_tokens = value > 0 && value < ((json_int_t)1 << 40) ? (uint64_t)value : 0;
	json_decref(root);
	free(seen);
	return e;
}
