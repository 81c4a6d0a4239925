#include "mockllm/params.h"

#include "base/rng.h"

#include <jansson.h>

#include <stdio.h>
#include <string.h>

static enum err wrong(const char *name, const char *wanted, const char **ret_name,
		      struct err_msg *msg)
{
	*ret_name = name;
	return err_set(msg, ERR_INVALID, "'%s' must be %s", name, wanted);
}

/* A member that is missing or null leaves `ret` as it is. */
static bool number_get(const json_t *body, const char *name, double min, double max, double *ret)
{
	const json_t *value = json_object_get(body, name);
	if (!value || json_is_null(value))
		return true;
	double number = json_number_value(value);
	if (!json_is_number(value) || !(number >= min && number <= max))
		return false;
	*ret = number;
	return true;
}

static bool bool_get(const json_t *body, const char *name, bool *ret)
{
	const json_t *value = json_object_get(body, name);
	if (!value || json_is_null(value))
		return true;
	*ret = json_is_true(value);
	return json_is_boolean(value);
}

static bool stop_add(struct params *p, const json_t *value)
{
	if (!json_is_string(value) || json_string_length(value) == 0 ||
	    p->stop_count == PARAMS_STOPS_MAX)
		return false;
	p->stops[p->stop_count++] =
	    (struct chat_text){json_string_value(value), json_string_length(value)};
	return true;
}

static bool stops_get(struct params *p, const json_t *value)
{
	size_t i;
	const json_t *item;
	if (!value || json_is_null(value))
		return true;
	if (!json_is_array(value))
		return stop_add(p, value);
	json_array_foreach(value, i, item)
	{
		if (!stop_add(p, item))
			return false;
	}
	return true;
}

static bool effort_get(struct params *p, const json_t *value)
{
	static const struct {
		const char *name;
		uint32_t tokens;
	} efforts[] = {
	    {"none", 0}, {"minimal", 0}, {"low", 8}, {"medium", 16}, {"high", 32}, {"xhigh", 64},
	};
	if (!value || json_is_null(value))
		return true;
	for (size_t i = 0; json_is_string(value) && i < sizeof efforts / sizeof *efforts; i++) {
		if (strcmp(json_string_value(value), efforts[i].name) == 0) {
			p->reasoning_tokens = efforts[i].tokens;
			return true;
		}
	}
	return false;
}

static bool choices_get(struct params *p, const json_t *list)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return false;
	}
	p->format = PARAMS_CHOICE;
	p->schema = list;
	return json_array_size(list) > 0;
}

static bool format_get(struct params *p, const json_t *value)
{
	const char *type = json_string_value(json_object_get(value, "type"));
	if (!value || json_is_null(value))
		return true;
	if (!type)
		return false;
	if (strcmp(type, "json_object") == 0)
		p->format = PARAMS_OBJECT;
	if (strcmp(type, "json_schema") == 0) {
		p->format = PARAMS_SCHEMA;
		p->schema = json_object_get(json_object_get(value, "json_schema"), "schema");
		return json_is_object(p->schema);
	}
	return p->format == PARAMS_OBJECT || strcmp(type, "text") == 0;
}

static enum err formats_parse(struct params *p, const json_t *body, const char **ret_name,
			      struct err_msg *msg)
{
	const json_t *guided = json_object_get(body, "guided_choice");
	const json_t *outputs = json_object_get(body, "structured_outputs");
	if (!format_get(p, json_object_get(body, "response_format")))
		return wrong("response_format",
			     "of type 'text', 'json_object' or 'json_schema' with a schema",
			     ret_name, msg);
	if (json_is_array(guided) && !choices_get(p, guided))
		return wrong("guided_choice", "a list of strings", ret_name, msg);
	if (!json_is_object(outputs))
		return ERR_OK;
	const json_t *schema = json_object_get(outputs, "json");
	if (json_is_object(schema)) {
		p->format = PARAMS_SCHEMA;
		p->schema = schema;
	} else if (!choices_get(p, json_object_get(outputs, "choice"))) {
		return wrong("structured_outputs", "an object with 'choice' or 'json'", ret_name,
			     msg);
	}
	return ERR_OK;
}

enum err params_parse(struct params *ret_params, const json_t *body, const char **ret_name,
		      struct err_msg *msg)
{
	struct params p = {.temperature = 1};
	double tokens_max = 0;
	double choices = 1;
	double top = 0;
	if (!number_get(body, "max_tokens", 1, 1e9, &tokens_max))
		return wrong("max_tokens", "a number from 1", ret_name, msg);
	if (!number_get(body, "max_completion_tokens", 1, 1e9, &tokens_max))
		return wrong("max_completion_tokens", "a number from 1", ret_name, msg);
	if (!number_get(body, "n", 1, PARAMS_CHOICES_MAX, &choices))
		return wrong("n", "a number from 1 to 128", ret_name, msg);
	if (!number_get(body, "temperature", 0, 2, &p.temperature))
		return wrong("temperature", "a number from 0 to 2", ret_name, msg);
	if (!bool_get(body, "logprobs", &p.logprobs))
		return wrong("logprobs", "true or false", ret_name, msg);
	if (!number_get(body, "top_logprobs", 0, PARAMS_TOP_MAX, &top) || (top > 0 && !p.logprobs))
		return wrong("top_logprobs", "a number from 0 to 20, with 'logprobs'", ret_name,
			     msg);
	if (!bool_get(body, "stream", &p.stream))
		return wrong("stream", "true or false", ret_name, msg);
	if (!stops_get(&p, json_object_get(body, "stop")))
		return wrong("stop", "a string or a list of at most 16", ret_name, msg);
	if (!effort_get(&p, json_object_get(body, "reasoning_effort")))
		return wrong("reasoning_effort", "none, minimal, low, medium, high or xhigh",
			     ret_name, msg);
	p.seed = json_object_get(body, "seed");
	if (p.seed && json_is_null(p.seed))
		p.seed = NULL;
	if (p.seed && !json_is_integer(p.seed))
		return wrong("seed", "a whole number", ret_name, msg);
	p.stream_usage =
	    json_is_true(json_object_get(json_object_get(body, "stream_options"), "include_usage"));
	p.tokens_max = (uint64_t)tokens_max;
	p.choices = (uint32_t)choices;
	p.top_logprobs = (uint32_t)top;
	enum err e = formats_parse(&p, body, ret_name, msg);
	if (!e)
		*ret_params = p;
	return e;
}

struct chat_text params_find(const json_t *body, const char *names)
{
	for (const char *at = names; *at;) {
		size_t size = strcspn(at, ",");
		char name[64];
		(void)snprintf(name, sizeof name, "%.*s", (int)size, at);
		if (size > 0 && json_object_get(body, name))
			return (struct chat_text){at, size};
		at += size + (at[size] == ',');
	}
	return (struct chat_text){"", 0};
}

uint64_t params_draw(const struct params *p, uint32_t choice)
{
	if (p->temperature <= 0)
		return 0;
	return p->seed ? hash_mix((uint64_t)json_integer_value(p->seed), choice) : choice;
}
