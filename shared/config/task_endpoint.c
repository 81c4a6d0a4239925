/* Servers in a task file: `endpoints`, those under `llm` and in rounds, `embeddings`. */
#include "config/task_read.h"

#include "base/limits.h"
#include "config/task_llm.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define USD_MAX 1e6
#define RATE_MAX 1e9

static enum err read_price(const struct fields_file *f, yaml_node_t *node, void *base);
static enum err read_price_in(const struct fields_file *f, yaml_node_t *node, void *base);

static const struct field endpoint_fields[] = {
    {.name = "url",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_endpoint, url),
     .max = NAME_BYTES_MAX * 4},
    {.name = "model",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_endpoint, model),
     .max = NAME_BYTES_MAX},
    {.name = "key_env",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_endpoint, key_env),
     .max = NAME_BYTES_MAX},
    {.name = "key_file",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_endpoint, key_file),
     .max = NAME_BYTES_MAX * 4},
    {.name = "api_version",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_endpoint, api_version),
     .max = 64},
    {.name = "timeout_s",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_endpoint, timeout_s),
     .min = 0.1,
     .max = 3600},
    {.name = "concurrency",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_endpoint, concurrency),
     .min = 1,
     .max = 1024},
    {.name = "requests_per_minute",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_endpoint, requests_per_minute),
     .min = 1,
     .max = RATE_MAX},
    {.name = "tokens_per_minute",
     .type = FIELD_UINT64,
     .offset = offsetof(struct task_endpoint, tokens_per_minute),
     .min = 1,
     .max = RATE_MAX * 1000},
    {.name = "usd_per_million", .type = FIELD_READ, .read = read_price}, /* the last one */
};

static const struct field price_fields[] = {
    {.name = "in",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_endpoint, usd_per_million_in),
     .max = USD_MAX,
     .required = "give the price of a million prompt tokens, 0 where they are free"},
    {.name = "cached",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_endpoint, usd_per_million_cached),
     .max = USD_MAX},
    {.name = "out",
     .type = FIELD_DOUBLE,
     .offset = offsetof(struct task_endpoint, usd_per_million_out),
     .max = USD_MAX,
     .required = "give the price of a million tokens of answers, 0 where they are free"},
};

static const struct field name_fields[] = {
    {.name = "name",
     .type = FIELD_STRING,
     .offset = offsetof(struct task_endpoint, name),
     .max = NAME_BYTES_MAX,
     .required = "give it one, which llm and rounds can refer to"},
};

static const struct field embeddings_fields[] = {
    {.name = "usd_per_million", .type = FIELD_READ, .read = read_price_in},
    {.name = "dimensions",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_embeddings, dimensions),
     .min = 2,
     .max = 65536},
    {.name = "batch",
     .type = FIELD_UINT,
     .offset = offsetof(struct task_embeddings, batch),
     .min = 1,
     .max = 2048},
};

static enum err price_read(const struct fields_file *f, yaml_node_t *node,
			   const struct field_set *set)
{
	struct task_endpoint *e = set->base;
	e->usd_per_million_cached = -1;
	enum err err = fields_read(f, node, "\"usd_per_million\"", set, 1);
	if (err)
		return err;
	if (e->usd_per_million_cached < 0)
		e->usd_per_million_cached = e->usd_per_million_in;
	e->priced = true;
	return ERR_OK;
}

static enum err read_price(const struct fields_file *f, yaml_node_t *node, void *base)
{
	return price_read(f, node, &(struct field_set){price_fields, COUNT(price_fields), base});
}

/* Vectors are no tokens. */
static enum err read_price_in(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task_embeddings *e = base;
	return price_read(f, node, &(struct field_set){price_fields, 1, &e->endpoint});
}

struct field_set task_endpoint_set(struct task_endpoint *e)
{
	return (struct field_set){endpoint_fields, COUNT(endpoint_fields), e};
}

static void drop(char **text)
{
	free(*text);
	*text = NULL;
}

enum err task_endpoint_prepare(const struct fields_file *f, const yaml_node_t *node,
			       struct task_endpoint *e)
{
	static const char *const words[] = {"key", "api_key", "apikey", "token"};
	for (size_t i = 0; i < COUNT(words); i++) {
		const yaml_node_t *key = fields_value(f, node, words[i]);
		if (key)
			return fields_fail(f, key,
					   "\"%s\": a key must not stand in a task file, which is "
					   "copied and shown; put it into an environment variable "
					   "and its name into key_env, or into a file and its path "
					   "into key_file",
					   words[i]);
	}
	const yaml_node_t *env = fields_value(f, node, "key_env");
	const yaml_node_t *file = fields_value(f, node, "key_file");
	if (env && file)
		return fields_fail(f, file,
				   "\"key_env\" and \"key_file\" stand together; keep one");
	if (env)
		drop(&e->key_file);
	if (file)
		drop(&e->key_env);
	/* Another model has another price. */
	if (fields_value(f, node, "model") || fields_value(f, node, "url")) {
		e->priced = false;
		e->usd_per_million_in = e->usd_per_million_cached = e->usd_per_million_out = 0;
	}
	return ERR_OK;
}

static enum err url_check(const struct fields_file *f, const yaml_node_t *node, char *url)
{
	bool https = strncmp(url, "https://", 8) == 0;
	/* Not shown: there may be a password in it. */
	const char *host = strstr(url, "://");
	if (host && memchr(host + 3, '@', strcspn(host + 3, "/")))
		return fields_fail(f, node,
				   "\"url\" has a user or password before its host; remove them, "
				   "and give a key by key_env or key_file");
	if (strpbrk(url, "?#"))
		return fields_fail(f, node,
				   "\"url\" has a \"?\" or \"#\"; it ends before "
				   "/chat/completions (Azure: give api_version)");
	if ((!https && strncmp(url, "http://", 7) != 0) || task_has_control(url) ||
	    strchr(url, ' '))
		return fields_fail(f, node, "\"url\" is %s; it must begin with http:// or https://",
				   url);
	for (size_t size = strlen(url); size > 8 && url[size - 1] == '/'; size--)
		url[size - 1] = '\0';
	static const char *const paths[] = {"/chat/completions", "/embeddings"};
	for (size_t i = 0; i < COUNT(paths); i++) {
		size_t size = strlen(url), end = strlen(paths[i]);
		if (size > end && strcmp(url + size - end, paths[i]) == 0)
			return fields_fail(f, node, "\"url\" ends in %s; leave that away",
					   paths[i]);
	}
	return ERR_OK;
}

enum err task_endpoint_check(const struct fields_file *f, const yaml_node_t *node, const char *what,
			     struct task_endpoint *e)
{
	if (!e->url || !*e->url)
		return fields_fail(f, node,
				   "%s has no \"url\"; give the address of an "
				   "OpenAI-compatible server, https://.../v1",
				   what);
	if (!e->model || !*e->model)
		return fields_fail(f, node, "%s has no \"model\"; give the model's name", what);
	enum err err = url_check(f, node, e->url);
	if (err)
		return err;
	/* An empty text stands for none, so that a round can take it back. */
	char **const texts[] = {&e->key_env, &e->key_file, &e->api_version};
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (*texts[i] && !**texts[i])
			drop(texts[i]);
	}
	const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	if (e->key_env && e->key_env[strspn(e->key_env, allowed)])
		return fields_fail(f, node,
				   "\"key_env\" must be the name of an environment "
				   "variable, such as OPENAI_API_KEY; never the key itself");
	if (e->key_file && *e->key_file != '/')
		return fields_fail(f, node,
				   "\"key_file\" must be the absolute path (/...) of a file with "
				   "the key, the same on every annotator; never the key itself");
	if (e->api_version && e->api_version[strspn(e->api_version, "0123456789-"
								    "abcdefghijklmnopqrstuvwxyz")])
		return fields_fail(f, node, "\"api_version\" must be one such as 2024-10-21");
	return ERR_OK;
}

static enum err endpoint_read(const struct fields_file *f, yaml_node_t *node,
			      struct task_endpoint *e)
{
	const struct field_set sets[] = {
	    {name_fields, COUNT(name_fields), e},
	    task_endpoint_set(e),
	};
	enum err err = task_endpoint_prepare(f, node, e);
	if (!err)
		err = fields_read(f, node, "an endpoint", sets, COUNT(sets));
	if (!err && (!*e->name || task_has_control(e->name)))
		err = fields_fail(f, node, "an endpoint's name is empty or has line breaks in it");
	return err ? err : task_endpoint_check(f, node, "an endpoint", e);
}

enum err task_read_endpoints(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task *t = base;
	yaml_node_item_t *items = NULL;
	size_t count = 0;
	enum err err = fields_list(f, node, "endpoints", &items, &count);
	if (err)
		return err;
	if (count < 1 || count > ENDPOINT_COUNT_MAX)
		return fields_fail(f, node, "%zu endpoints; there must be between 1 and %d", count,
				   ENDPOINT_COUNT_MAX);
	t->endpoints = calloc(count, sizeof *t->endpoints);
	if (!t->endpoints)
		return task_no_memory(f);
	for (size_t i = 0; i < count; i++) {
		yaml_node_t *item = fields_node(f, items[i]);
		task_endpoint_init(&t->endpoints[i]);
		t->endpoint_count++;
		err = endpoint_read(f, item, &t->endpoints[i]);
		for (size_t j = 0; !err && j < i; j++) {
			if (strcmp(t->endpoints[i].name, t->endpoints[j].name) == 0)
				err = fields_fail(f, item,
						  "two endpoints are called \"%s\"; rename one",
						  t->endpoints[i].name);
		}
		if (err)
			return err;
	}
	return ERR_OK;
}

enum err task_read_embeddings(const struct fields_file *f, yaml_node_t *node, void *base)
{
	struct task_embeddings *e = &((struct task *)base)->embeddings;
	const struct field_set sets[] = {
	    {endpoint_fields, COUNT(endpoint_fields) - 1, &e->endpoint},
	    {embeddings_fields, COUNT(embeddings_fields), e},
	};
	enum err err = task_endpoint_prepare(f, node, &e->endpoint);
	if (!err)
		err = fields_read(f, node, "\"embeddings\"", sets, COUNT(sets));
	return err ? err : task_endpoint_check(f, node, "\"embeddings\"", &e->endpoint);
}
