#include "mockllm/script.h"

#include "base/buf.h"
#include "base/rng.h"

#include <jansson.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const MALFORMATIONS[] = {
    "truncated", "trailing",  "nested",	       "numbers",      "surrogate",
    "bom",	 "duplicate", "empty_choices", "null_content", "tool_call",
};

struct rule {
	const char *text; /* NULL: any */
	const char *model;
	const char *path;
	const char *has;
	uint64_t from;	/* from 1 */
	uint64_t count; /* 0: without end */
	uint64_t every;
	double share;
	uint64_t seen; /* requests that met text and model so far */
	struct fault fault;
	char *file; /* owned: what body_file held */
};

struct script {
	json_t *root; /* owns the strings */
	struct rule *rules;
	size_t rule_count;
	uint64_t seed;
};

static enum err file_load(const char *path, char **ret_data, size_t *ret_size, struct err_msg *msg)
{
	struct buf data;
	buf_init(&data, (size_t)256 << 20);
	FILE *in = fopen(path, "re");
	if (!in)
		return err_set(msg, ERR_INVALID, "%s: %s", path, strerror(errno));
	char block[65536];
	size_t size;
	while ((size = fread(block, 1, sizeof block, in)) > 0)
		buf_add(&data, block, size);
	bool failed = ferror(in) != 0;
	fclose(in);
	if (failed || buf_error(&data)) {
		enum err e = failed ? ERR_IO : buf_error(&data);
		buf_done(&data);
		return err_set(msg, e, "%s: can't be read whole", path);
	}
	*ret_size = data.size;
	*ret_data = data.data; /* the buffer's memory goes to the caller */
	return ERR_OK;
}

static enum err value_string(const json_t *value, const char *key, const char **ret,
			     struct err_msg *msg)
{
	if (!json_is_string(value))
		return err_set(msg, ERR_INVALID, "'%s' must be a string", key);
	*ret = json_string_value(value);
	return ERR_OK;
}

static enum err value_whole(const json_t *value, const char *key, uint64_t *ret,
			    struct err_msg *msg)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(msg, ERR_INVALID, "'%s' must be a whole number from 0", key);
	*ret = (uint64_t)json_integer_value(value);
	return ERR_OK;
}

static enum err headers_parse(struct fault *f, json_t *headers, struct err_msg *msg)
{
	const char *name;
	json_t *value;
	if (!json_is_object(headers) || json_object_size(headers) > SCRIPT_HEADERS_MAX)
		return err_set(msg, ERR_INVALID, "'headers' must be an object of at most %d",
			       SCRIPT_HEADERS_MAX);
	json_object_foreach(headers, name, value)
	{
		struct fault_header *h = &f->headers[f->header_count];
		enum err e = value_string(value, name, &h->value, msg);
		if (e)
			return e;
		h->name = name;
		f->header_count++;
	}
	return ERR_OK;
}

static enum err malformed_parse(struct fault *f, const json_t *value, struct err_msg *msg)
{
	enum err e = value_string(value, "malformed", &f->malformed, msg);
	if (e)
		return e;
	for (size_t i = 0; i < sizeof MALFORMATIONS / sizeof *MALFORMATIONS; i++) {
		if (strcmp(f->malformed, MALFORMATIONS[i]) == 0)
			return ERR_OK;
	}
	return err_set(msg, ERR_INVALID, "unknown 'malformed': %.40s", f->malformed);
}

static enum err status_parse(struct fault *f, const json_t *value, struct err_msg *msg)
{
	json_int_t status = json_integer_value(value);
	if (!json_is_integer(value) || status < 200 || status > 599)
		return err_set(msg, ERR_INVALID, "'status' must be 200 to 599");
	f->status = (unsigned)status;
	return ERR_OK;
}

static enum err share_parse(const json_t *value, const char *key, double *ret, struct err_msg *msg)
{
	*ret = json_number_value(value);
	if (!json_is_number(value) || !(*ret >= 0 && *ret <= 1))
		return err_set(msg, ERR_INVALID, "'%s' must be a number from 0 to 1", key);
	return ERR_OK;
}

static enum err body_file_parse(struct rule *r, const json_t *value, struct err_msg *msg)
{
	const char *path = NULL;
	enum err e = value_string(value, "body_file", &path, msg);
	if (!e && r->file)
		e = err_set(msg, ERR_INVALID, "'body_file' twice");
	size_t size = 0;
	if (!e)
		e = file_load(path, &r->file, &size, msg);
	if (!e)
		r->fault.body = (struct chat_text){r->file ? r->file : "", size};
	return e;
}

/* Keys with a whole number; 0 where `key` is none of them. */
static uint64_t *whole_member(struct rule *r, const char *key)
{
	struct {
		const char *key;
		uint64_t *at;
	} members[] = {
	    {"from", &r->from},
	    {"count", &r->count},
	    {"every", &r->every},
	    {"delay_ms", &r->fault.delay_ms},
	    {"drip_bytes", &r->fault.drip_bytes},
	    {"drip_ms", &r->fault.drip_ms},
	    {"pad_bytes", &r->fault.pad_bytes},
	};
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (strcmp(key, members[i].key) == 0)
			return members[i].at;
	}
	return NULL;
}

static const char **string_member(struct rule *r, const char *key)
{
	struct {
		const char *key;
		const char **at;
	} members[] = {
	    {"text", &r->text},
	    {"model", &r->model},
	    {"path", &r->path},
	    {"has", &r->has},
	    {"error", &r->fault.error},
	    {"param", &r->fault.param},
	    {"content", &r->fault.content},
	    {"finish_reason", &r->fault.finish_reason},
	};
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		if (strcmp(key, members[i].key) == 0)
			return members[i].at;
	}
	return NULL;
}

static enum err signed_parse(const json_t *value, const char *key, int64_t *ret,
			     struct err_msg *msg)
{
	uint64_t number = 0;
	enum err e = value_whole(value, key, &number, msg);
	if (!e)
		*ret = (int64_t)number;
	return e;
}

static enum err member_parse(struct rule *r, const char *key, json_t *value, struct err_msg *msg)
{
	uint64_t *whole = whole_member(r, key);
	if (whole)
		return value_whole(value, key, whole, msg);
	const char **string = string_member(r, key);
	if (string)
		return value_string(value, key, string, msg);
	if (strcmp(key, "content_length") == 0)
		return signed_parse(value, key, &r->fault.content_length, msg);
	if (strcmp(key, "close_after") == 0)
		return signed_parse(value, key, &r->fault.close_after, msg);
	if (strcmp(key, "status") == 0)
		return status_parse(&r->fault, value, msg);
	if (strcmp(key, "headers") == 0)
		return headers_parse(&r->fault, value, msg);
	if (strcmp(key, "malformed") == 0)
		return malformed_parse(&r->fault, value, msg);
	if (strcmp(key, "share") == 0)
		return share_parse(value, key, &r->share, msg);
	if (strcmp(key, "expire") == 0)
		return share_parse(value, key, &r->fault.expire, msg);
	if (strcmp(key, "body_file") == 0)
		return body_file_parse(r, value, msg);
	if (strcmp(key, "body") == 0 && json_is_string(value)) {
		r->fault.body =
		    (struct chat_text){json_string_value(value), json_string_length(value)};
		return ERR_OK;
	}
	if ((strcmp(key, "hang") == 0 || strcmp(key, "reset") == 0) && json_is_boolean(value)) {
		*(key[0] == 'h' ? &r->fault.hang : &r->fault.reset) = json_is_true(value);
		return ERR_OK;
	}
	return err_set(msg, ERR_INVALID, "unknown or wrong key '%.40s'", key);
}

static enum err rule_parse(struct rule *r, json_t *object, struct err_msg *msg)
{
	const char *key;
	json_t *value;
	r->from = 1;
	r->count = 1;
	r->every = 1;
	r->share = 1;
	r->fault.status = 200;
	r->fault.content_length = -1;
	r->fault.close_after = -1;
	if (!json_is_object(object))
		return err_set(msg, ERR_INVALID, "a rule must be an object");
	json_object_foreach(object, key, value)
	{
		enum err e = member_parse(r, key, value, msg);
		if (e)
			return e;
	}
	if (r->from == 0 || r->every == 0)
		return err_set(msg, ERR_INVALID, "'from' and 'every' begin at 1");
	return ERR_OK;
}

enum err script_parse(const char *json, size_t size, uint64_t seed, struct script **ret_script,
		      struct err_msg *msg)
{
	json_error_t error;
	struct script *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "out of memory");
	s->seed = seed;
	s->root = json_loadb(json ? json : "", size, JSON_REJECT_DUPLICATES, &error);
	json_t *rules = json_object_get(s->root, "rules");
	enum err e = ERR_OK;
	if (!s->root)
		e = err_set(msg, ERR_INVALID, "line %d: %s", error.line, error.text);
	else if (!json_is_array(rules) || json_array_size(rules) > SCRIPT_RULES_MAX)
		e = err_set(msg, ERR_INVALID, "'rules' must be a list of at most %d",
			    SCRIPT_RULES_MAX);
	if (!e) {
		s->rules = calloc(json_array_size(rules) + 1, sizeof(*s->rules));
		if (!s->rules)
			e = err_set(msg, ERR_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; !e && i < json_array_size(rules); i++) {
		s->rule_count++;
		e = rule_parse(&s->rules[i], json_array_get(rules, i), msg);
		if (e)
			e = err_prefix(msg, e, "rule %zu", i + 1);
	}
	if (e) {
		script_free(s);
		return e;
	}
	*ret_script = s;
	return ERR_OK;
}

enum err script_new(const char *path, uint64_t seed, struct script **ret_script,
		    struct err_msg *msg)
{
	char *json = NULL;
	size_t size = 0;
	enum err e = file_load(path, &json, &size, msg);
	if (e)
		return e;
	e = script_parse(json, size, seed, ret_script, msg);
	free(json);
	return e ? err_prefix(msg, e, "%s", path) : ERR_OK;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->rule_count; i++)
		free(s->rules[i].file);
	free(s->rules);
	json_decref(s->root);
	free(s);
}

/* Counts the request; tells whether the rule wants it. */
static bool rule_applies(struct rule *r, const struct script_request *q, uint64_t seed)
{
	if (r->model && !chat_text_equal(q->model, chat_text_of(r->model)))
		return false;
	if (r->path && !strstr(q->path, r->path))
		return false;
	if (r->has && !json_object_get(q->body, r->has))
		return false;
	if (r->text &&
	    (q->text.size == 0 || !memmem(q->text.data, q->text.size, r->text, strlen(r->text))))
		return false;
	r->seen++;
	if (r->seen < r->from || (r->seen - r->from) % r->every != 0)
		return false;
	if (r->count > 0 && (r->seen - r->from) / r->every >= r->count)
		return false;
	struct rng rng = rng_make(hash_mix(seed, r->seen));
	return r->share >= 1 || rng_double(&rng) < r->share;
}

const struct fault *script_next(struct script *s, const struct script_request *request)
{
	for (size_t i = 0; i < s->rule_count; i++) {
		if (rule_applies(&s->rules[i], request, hash_mix(s->seed, i)))
			return &s->rules[i].fault;
	}
	return NULL;
}

bool fault_is_raw(const struct fault *f)
{
	return f->drip_bytes || f->content_length >= 0 || f->pad_bytes || f->close_after >= 0 ||
	       f->reset;
}

bool fault_has_header(const struct fault *f, const char *name)
{
	for (size_t i = 0; i < f->header_count; i++) {
		if (strcasecmp(f->headers[i].name, name) == 0)
			return true;
	}
	return false;
}
