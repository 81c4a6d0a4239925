#include "mockllm/embeddings.h"

#include "mockllm/admission.h"
#include "mockllm/reply.h"
#include "mockllm/words.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { VECTOR_BASE64_MAX = (EMBEDDINGS_DIMENSIONS_MAX * 4 + 2) / 3 * 4 + 1 };

/* A request that was read. */
struct embeddings {
	json_t *root;
	struct chat_text model;
	const json_t *input; /* a string or a list of strings */
	size_t count;
	size_t dimensions;
	bool base64;
	uint64_t prompt_tokens;
};

static const json_t *input_at(const struct embeddings *x, size_t i)
{
	return json_is_array(x->input) ? json_array_get(x->input, i) : x->input;
}

static enum err inputs_read(struct embeddings *x, const char **ret_name, struct err_msg *msg)
{
	*ret_name = "input";
	x->input = json_object_get(x->root, "input");
	x->count = json_is_array(x->input) ? json_array_size(x->input) : 1;
	if (x->count == 0 || x->count > EMBEDDINGS_INPUTS_MAX)
		return err_set(msg, ERR_INVALID, "'input' must have 1 to %d texts",
			       EMBEDDINGS_INPUTS_MAX);
	for (size_t i = 0; i < x->count; i++) {
		const json_t *text = input_at(x, i);
		if (json_string_length(text) == 0)
			return err_set(msg, ERR_INVALID,
				       "'input' must be a text or a list of texts, none empty");
		x->prompt_tokens += reply_prompt_tokens(json_string_length(text));
	}
	return ERR_OK;
}

/* ERR_INVALID with the name of what is wrong. The caller drops `root`. */
static enum err embeddings_read(struct embeddings *x, struct chat_text body, const char *deployment,
				const char **ret_name, struct err_msg *msg)
{
	x->root = json_loadb(body.data ? body.data : "", body.size, JSON_ALLOW_NUL, NULL);
	*ret_name = NULL;
	if (!json_is_object(x->root))
		return err_set(msg, ERR_INVALID, "the body is not a JSON object");
	const json_t *model = json_object_get(x->root, "model");
	*ret_name = "model";
	if (!json_is_string(model) && !deployment)
		return err_set(msg, ERR_INVALID, "'model' must be a string");
	x->model = chat_text_of(deployment ? deployment : json_string_value(model));
	const json_t *dimensions = json_object_get(x->root, "dimensions");
	json_int_t wanted = json_is_integer(dimensions) ? json_integer_value(dimensions) : 0;
	*ret_name = "dimensions";
	x->dimensions = EMBEDDINGS_DIMENSIONS;
	if (dimensions && !json_is_null(dimensions)) {
		if (wanted < 1 || wanted > EMBEDDINGS_DIMENSIONS_MAX)
			return err_set(msg, ERR_INVALID, "'dimensions' must be 1 to %d",
				       EMBEDDINGS_DIMENSIONS_MAX);
		x->dimensions = (size_t)wanted;
	}
	const char *format = json_string_value(json_object_get(x->root, "encoding_format"));
	*ret_name = "encoding_format";
	x->base64 = format && strcmp(format, "base64") == 0;
	if (format && !x->base64 && strcmp(format, "float") != 0)
		return err_set(msg, ERR_INVALID, "'encoding_format' must be float or base64");
	return inputs_read(x, ret_name, msg);
}

void embeddings_vector(struct chat_text text, float *ret_vector, size_t dimensions)
{
	struct words words;
	double norm = 0;
	memset(ret_vector, 0, dimensions * sizeof(*ret_vector));
	words_split(&words, text.data, text.size);
	for (size_t i = 0; i < words.count; i++) {
		uint64_t hash = words.hashes[i];
		ret_vector[hash % dimensions] += hash >> 40 & 1 ? 1.0f : -1.0f;
	}
	for (size_t i = 0; i < dimensions; i++)
		norm += (double)ret_vector[i] * (double)ret_vector[i];
	if (norm <= 0) {
		ret_vector[0] = 1; /* no word, or they cancel out */
		norm = 1;
	}
	for (size_t i = 0; i < dimensions; i++)
		ret_vector[i] = (float)((double)ret_vector[i] / sqrt(norm));
}

/* Floats are little-endian on every processor that this is built for. */
static void vector_write(struct buf *out, const float *vector, size_t dimensions, bool base64)
{
	if (base64) {
		char text[VECTOR_BASE64_MAX];
		(void)sodium_bin2base64(text, sizeof text, (const unsigned char *)vector,
					dimensions * sizeof(*vector),
					sodium_base64_VARIANT_ORIGINAL);
		buf_printf(out, "\"%s\"", text);
		return;
	}
	for (size_t i = 0; i < dimensions; i++)
		buf_printf(out, "%c%.9g", i ? ',' : '[', (double)vector[i]);
	buf_add_char(out, ']');
}

static void embeddings_write(const struct embeddings *x, struct buf *out)
{
	float vector[EMBEDDINGS_DIMENSIONS_MAX];
	buf_add_str(out, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < x->count; i++) {
		const json_t *text = input_at(x, i);
		embeddings_vector(
		    (struct chat_text){json_string_value(text), json_string_length(text)}, vector,
		    x->dimensions);
		buf_printf(out,
			   "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "",
			   i);
		vector_write(out, vector, x->dimensions, x->base64);
		buf_add_char(out, '}');
	}
	buf_add_str(out, "],\"model\":");
	chat_string_write(out, x->model);
	buf_printf(out, ",\"usage\":{\"prompt_tokens\":%" PRIu64 ",\"total_tokens\":%" PRIu64 "}}",
		   x->prompt_tokens, x->prompt_tokens);
}

static void embeddings_run(struct api *api, const struct api_request *request, bool live,
			   struct outcome *o)
{
	struct embeddings x = {0};
	struct err_msg msg = {""};
	const char *name = NULL;
	const struct fault *fault = NULL;
	enum err e = embeddings_read(&x, request->body, request->deployment, &name, &msg);
	struct script_request target = {request->path, x.model, {"", 0}, x.root};
	if (!e) {
		const json_t *first = input_at(&x, 0);
		target.text =
		    (struct chat_text){json_string_value(first), json_string_length(first)};
	}
	pthread_mutex_lock(&api->lock);
	api->counts.embeddings++;
	bool admitted = !e && (!live || admission_take(api, x.prompt_tokens, o));
	if (admitted && api->options.script)
		fault = script_next(api->options.script, &target);
	api->counts.faults += fault != NULL;
	pthread_mutex_unlock(&api->lock);
	if (e)
		outcome_error(o, 400, msg.text, "invalid_value", name);
	else if (admitted)
		embeddings_write(&x, &o->body);
	if (fault)
		outcome_fault(o, fault);
	if (buf_error(&o->body))
		outcome_error(o, 500, "the reply is too long", "too_long", NULL);
	pthread_mutex_lock(&api->lock);
	if (o->status == 200)
		api->counts.prompt_tokens += x.prompt_tokens;
	pthread_mutex_unlock(&api->lock);
	json_decref(x.root);
}

void embeddings_handle(struct api *api, const struct api_request *request, struct outcome *o)
{
	admission_begin(api, o);
	embeddings_run(api, request, true, o);
}

void embeddings_line(struct api *api, const char *url, struct chat_text body, struct outcome *o)
{
	struct api_request request = {.method = "POST", .path = url, .body = body};
	embeddings_run(api, &request, false, o);
}
