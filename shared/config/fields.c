#include "config/fields.h"

#include "base/limits.h"
#include "config/task.h"
#include "text/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err fields_fail(const struct fields_file *f, const yaml_node_t *node, const char *fmt, ...)
{
	struct err_msg text;
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text.text, sizeof text.text, fmt, args);
	va_end(args);
	(void)err_set(f->msg, ERR_INVALID, "%s:%zu: %s", f->name, node->start_mark.line + 1,
		      text.text);
	return ERR_INVALID;
}

static enum err fields_no_memory(const struct fields_file *f)
{
	return err_set(f->msg, ERR_NO_MEMORY, "%s: %s", f->name, err_str(ERR_NO_MEMORY));
}

yaml_node_t *fields_node(const struct fields_file *f, int number)
{
	yaml_node_t *node = yaml_document_get_node(f->document, number);
	assert(node);
	return node;
}

yaml_node_t *fields_value(const struct fields_file *f, const yaml_node_t *node, const char *key)
{
	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = fields_node(f, pair->key);
		if (name->type == YAML_SCALAR_NODE &&
		    strcmp((const char *)name->data.scalar.value, key) == 0)
			return fields_node(f, pair->value);
	}
	return NULL;
}

static const char *node_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static bool node_is_plain(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool node_is_null(const yaml_node_t *node)
{
	if (!node_is_plain(node))
		return false;
	const char *text = node_text(node);
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static const char *node_type(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a mapping";
	default:
		return node_is_null(node) ? "empty" : "a single value";
	}
}

/* A decimal number, the whole text of it. */
static bool node_number(const yaml_node_t *node, double *ret_value)
{
	if (!node_is_plain(node))
		return false;
	const char *text = node_text(node);
	size_t size = strlen(text);
	if (size == 0 || size > 32 || strspn(text, "0123456789+-.eE") != size)
		return false;
	char *end;
	*ret_value = strtod(text, &end);
	return *end == '\0' && isfinite(*ret_value);
}

enum err fields_double(const struct fields_file *f, yaml_node_t *node, const char *what, double min,
		       double max, double *ret_value)
{
	double value;
	if (!node_number(node, &value))
		return fields_fail(f, node, "\"%s\" must be a number without quotes", what);
	if (value < min || value > max)
		return fields_fail(f, node, "\"%s\" is %s; it must be between %.16g and %.16g",
				   what, node_text(node), min, max);
	*ret_value = value;
	return ERR_OK;
}

enum err fields_uint(const struct fields_file *f, yaml_node_t *node, const char *what, double min,
		     double max, uint64_t *ret_value)
{
	double value;
	enum err err = fields_double(f, node, what, min, max, &value);
	if (err)
		return err;
	const char *text = node_text(node);
	if (strspn(text, "0123456789") != strlen(text))
		return fields_fail(f, node, "\"%s\" is %s; it must be a whole number", what, text);
	*ret_value = strtoull(text, NULL, 10);
	return ERR_OK;
}

enum err fields_bool(const struct fields_file *f, yaml_node_t *node, const char *what,
		     bool *ret_value)
{
	static const char *const words[] = {"false", "true", "off", "on", "no", "yes"};
	for (size_t i = 0; i < sizeof words / sizeof *words && node_is_plain(node); i++) {
		if (strcmp(node_text(node), words[i]) == 0) {
			*ret_value = i % 2;
			return ERR_OK;
		}
	}
	return fields_fail(f, node, "\"%s\" must be true or false", what);
}

enum err fields_nano(const struct fields_file *f, yaml_node_t *node, const char *what,
		     uint64_t *ret_value)
{
	const char *text = node_is_plain(node) ? node_text(node) : "";
	size_t whole = strspn(text, "0123456789");
	size_t decimals = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	size_t size = whole + (text[whole] == '.') + decimals;
	if (whole + decimals == 0 || text[size])
		return fields_fail(f, node, "\"%s\" must be a decimal number, such as 12.50", what);
	if (whole > 10 || decimals > 9)
		return fields_fail(f, node,
				   "\"%s\" is %.60s; it may have 9 decimals, and be 1000000000 at "
				   "most",
				   what, text);
	uint64_t value = strtoull(text, NULL, 10);
	for (size_t i = 0; i < 9; i++)
		value = value * 10 + (i < decimals ? (uint64_t)(text[whole + 1 + i] - '0') : 0);
	if (value < 1 || value > (uint64_t)1000000000 * 1000000000)
		return fields_fail(f, node,
				   "\"%s\" is %.60s; it must be above 0, and 1000000000 at most",
				   what, text);
	*ret_value = value;
	return ERR_OK;
}

enum err fields_string(const struct fields_file *f, yaml_node_t *node, const char *what,
		       size_t bytes_max, char **ret_string)
{
	if (node->type != YAML_SCALAR_NODE)
		return fields_fail(f, node, "\"%s\" is %s; it must be a text", what,
				   node_type(node));
	if (node_is_null(node))
		return fields_fail(f, node, "\"%s\" has no value; give one or remove the key",
				   what);
	const char *text = node_text(node);
	size_t size = node->data.scalar.length;
	if (memchr(text, '\0', size))
		return fields_fail(f, node, "\"%s\" contains a NUL character; remove it", what);
	utf8_trim(&text, &size);
	if (size > bytes_max)
		return fields_fail(f, node, "\"%s\" has %zu bytes, more than the %zu allowed", what,
				   size, bytes_max);
	char *copy = strndup(text, size);
	if (!copy)
		return fields_no_memory(f);
	*ret_string = copy;
	return ERR_OK;
}

enum err fields_list(const struct fields_file *f, yaml_node_t *node, const char *what,
		     yaml_node_item_t **ret_items, size_t *ret_count)
{
	if (node->type != YAML_SEQUENCE_NODE)
		return fields_fail(f, node, "\"%s\" is %s; it must be a list", what,
				   node_type(node));
	*ret_items = node->data.sequence.items.start;
	*ret_count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	return ERR_OK;
}

static enum err node_strings(const struct fields_file *f, yaml_node_t *node,
			     const struct field *field, struct task_strings *strings)
{
	yaml_node_item_t *items = NULL;
	size_t count = 0;
	enum err err = fields_list(f, node, field->name, &items, &count);
	if (err)
		return err;
	if (count > LABEL_ITEM_COUNT_MAX)
		return fields_fail(f, node, "\"%s\" has %zu items, more than the %d allowed",
				   field->name, count, LABEL_ITEM_COUNT_MAX);
	task_strings_done(strings);
	if (count == 0)
		return ERR_OK;
	strings->items = calloc(count, sizeof *strings->items);
	if (!strings->items)
		return fields_no_memory(f);
	for (size_t i = 0; i < count; i++) {
		yaml_node_t *item = fields_node(f, items[i]);
		err = fields_string(f, item, field->name, (size_t)field->max, &strings->items[i]);
		if (err)
			return err;
		strings->count++;
		if (!*strings->items[i])
			return fields_fail(f, item, "an empty text in \"%s\"; remove it",
					   field->name);
	}
	return ERR_OK;
}

static enum err node_choice(const struct fields_file *f, yaml_node_t *node,
			    const struct field *field, int *ret_value)
{
	const size_t count = sizeof field->choices / sizeof *field->choices;
	char list[128] = "";
	size_t used = 0;
	for (size_t i = 0; i < count && field->choices[i]; i++) {
		if (node->type == YAML_SCALAR_NODE &&
		    strcmp(node_text(node), field->choices[i]) == 0) {
			*ret_value = (int)i;
			return ERR_OK;
		}
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
					 field->choices[i]);
		assert(used < sizeof list);
	}
	return fields_fail(f, node, "\"%s\" must be one of: %s", field->name, list);
}

static enum err field_read(const struct fields_file *f, yaml_node_t *node,
			   const struct field *field, void *base)
{
	void *at = (char *)base + field->offset;
	switch (field->type) {
	case FIELD_STRING: {
		char *text = NULL;
		enum err err = fields_string(f, node, field->name, (size_t)field->max, &text);
		if (err)
			return err;
		free(*(char **)at);
		*(char **)at = text;
		return ERR_OK;
	}
	case FIELD_STRINGS:
		return node_strings(f, node, field, at);
	case FIELD_UINT: {
		uint64_t value;
		enum err err = fields_uint(f, node, field->name, field->min, field->max, &value);
		if (!err)
			*(uint32_t *)at = (uint32_t)value;
		return err;
	}
	case FIELD_UINT64:
		return fields_uint(f, node, field->name, field->min, field->max, at);
	case FIELD_DOUBLE:
		return fields_double(f, node, field->name, field->min, field->max, at);
	case FIELD_BOOL:
		return fields_bool(f, node, field->name, at);
	case FIELD_CHOICE:
		return node_choice(f, node, field, at);
	case FIELD_READ:
		return field->read(f, node, base);
	}
	assert(false && "a field without type");
	return ERR_INVALID;
}

/* "a, b, c" of all tables' keys. */
static void field_names(const struct field_set *sets, size_t set_count, char *list, size_t size)
{
	size_t used = 0;
	list[0] = '\0';
	for (size_t s = 0; s < set_count; s++) {
		for (size_t i = 0; i < sets[s].count && used < size; i++)
			used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "",
						 sets[s].fields[i].name);
	}
}

/* Finds the node of each field; nodes[] runs over all sets. */
static enum err fields_find(const struct fields_file *f, yaml_node_t *mapping, const char *what,
			    const struct field_set *sets, size_t set_count, yaml_node_t **nodes)
{
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = fields_node(f, pair->key);
		if (key->type != YAML_SCALAR_NODE)
			return fields_fail(f, key, "a key in %s is %s; it must be a word", what,
					   node_type(key));
		size_t number = 0;
		bool found = false;
		for (size_t s = 0; s < set_count && !found; s++) {
			for (size_t i = 0; i < sets[s].count && !found; i++) {
				found = strcmp(node_text(key), sets[s].fields[i].name) == 0;
				number += !found;
			}
		}
		if (!found) {
			char list[512];
			field_names(sets, set_count, list, sizeof list);
			return fields_fail(f, key, "unknown key \"%.60s\" in %s; it may have: %s",
					   node_text(key), what, list);
		}
		if (nodes[number])
			return fields_fail(f, key, "the key \"%s\" stands twice in %s; remove one",
					   node_text(key), what);
		nodes[number] = fields_node(f, pair->value);
	}
	return ERR_OK;
}

enum err fields_read(const struct fields_file *f, yaml_node_t *node, const char *what,
		     const struct field_set *sets, size_t set_count)
{
	if (node->type != YAML_MAPPING_NODE)
		return fields_fail(f, node, "%s is %s; it must be a mapping of keys to values",
				   what, node_type(node));
	yaml_node_t *nodes[FIELDS_MAX] = {0};
	enum err err = fields_find(f, node, what, sets, set_count, nodes);
	if (err)
		return err;
	size_t number = 0;
	for (size_t s = 0; s < set_count; s++) {
		for (size_t i = 0; i < sets[s].count; i++, number++) {
			assert(number < FIELDS_MAX);
			const struct field *field = &sets[s].fields[i];
			if (nodes[number])
				err = field_read(f, nodes[number], field, sets[s].base);
			else if (field->required)
				err = fields_fail(f, node, "%s has no \"%s\"; %s", what,
						  field->name, field->required);
			if (err)
				return err;
		}
	}
	return ERR_OK;
}
