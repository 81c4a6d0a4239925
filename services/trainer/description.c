#include "trainer/description.h"

#include "base/folder.h"
#include "text/json_file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASS_COUNT_MAX = 65536, MODEL_BYTES_MAX = 32 << 20, TOKENS_MAX = 1 << 20 };

static const char *const type_names[] = {[MODEL_NGRAM] = "ngram", [MODEL_ENCODER] = "encoder"};

static json_t *labels_pack(const struct description *d, struct err_msg *msg)
{
	json_t *names = json_array();
	for (size_t i = 0; i < d->label_count; i++)
		if (json_array_append_new(names, json_string(d->labels[i]))) {
			json_decref(names);
			(void)err_set(msg, ERR_INVALID, "label %zu's name is not UTF-8", i);
			return NULL;
		}
	return names;
}

static json_t *description_pack(const struct description *d, json_t *names)
{
	char checksum[17];
	(void)snprintf(checksum, sizeof checksum, "%016" PRIx64, d->checksum);
	json_t *root = json_pack("{s:s, s:i, s:s, s:o}", "format", "freeal-model", "version",
				 DESCRIPTION_VERSION, "type", type_names[d->type], "labels", names);
	int failed = 0;
	if (root && d->type == MODEL_NGRAM)
		failed = json_object_set_new(root, "columns", json_integer(d->columns)) ||
			 json_object_set_new(root, "bits", json_integer(d->bits));
	else if (root)
		failed = json_object_set_new(root, "tokens", json_integer(d->tokens));
	if (root && (failed || json_object_set_new(root, "checksum", json_string(checksum)))) {
		json_decref(root);
		return NULL;
	}
	return root;
}

enum err description_write(const struct description *d, const char *folder, struct err_msg *msg)
{
	char path[PATH_MAX];
	json_t *names = labels_pack(d, msg);
	if (!names)
		return ERR_INVALID;
	json_t *root = description_pack(d, names);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	if (!text)
		return err_set(msg, ERR_NO_MEMORY, "no memory for %s", DESCRIPTION_NAME);
	enum err err = folder_path(folder, DESCRIPTION_NAME, path, msg);
	const struct folder_part parts[] = {{text, strlen(text)}, {"\n", 1}};
	if (!err)
		err = folder_file_write(path, parts, 2, msg);
	free(text);
	return err;
}

void description_done(struct description *d)
{
	for (size_t i = 0; d->labels && i < d->label_count; i++)
		free(d->labels[i]);
	free(d->labels);
	*d = (struct description){0};
}

static enum err labels_read(const json_t *names, struct description *d)
{
	size_t count = json_array_size(names);
	if (count < 2 || count > CLASS_COUNT_MAX)
		return ERR_CORRUPT;
	d->labels = calloc(count, sizeof *d->labels);
	if (!d->labels)
		return ERR_NO_MEMORY;
	d->label_count = count;
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		d->labels[i] = name ? strdup(name) : NULL;
		if (!d->labels[i])
			return name ? ERR_NO_MEMORY : ERR_CORRUPT;
	}
	return ERR_OK;
}

static bool type_parse(const char *name, enum model_type *ret_type)
{
	for (size_t i = 0; name && i < sizeof type_names / sizeof *type_names; i++) {
		if (strcmp(name, type_names[i]) == 0) {
			*ret_type = (enum model_type)i;
			return true;
		}
	}
	return false;
}

static enum err description_parse(const json_t *root, const char *path, struct description *d,
				  struct err_msg *msg)
{
	const char *format = json_string_value(json_object_get(root, "format"));
	const char *checksum = json_string_value(json_object_get(root, "checksum"));
	json_int_t version = json_integer_value(json_object_get(root, "version"));
	json_int_t tokens = json_integer_value(json_object_get(root, "tokens"));
	if (!format || strcmp(format, "freeal-model") != 0 ||
	    !type_parse(json_string_value(json_object_get(root, "type")), &d->type) || !checksum ||
	    strlen(checksum) != 16 || tokens < 0 || tokens > TOKENS_MAX)
		return err_set(msg, ERR_CORRUPT, "%s is no model's description", path);
	if (version != DESCRIPTION_VERSION)
		return err_set(msg, ERR_VERSION, "%s has version %lld; this program reads %d", path,
			       (long long)version, DESCRIPTION_VERSION);
	d->checksum = strtoull(checksum, NULL, 16);
	d->tokens = (uint32_t)tokens;
	enum err err = labels_read(json_object_get(root, "labels"), d);
	return err ? err_set(msg, err, "%s: its labels can't be read", path) : ERR_OK;
}

enum err description_read(const char *folder, struct description *ret, struct err_msg *msg)
{
	char path[PATH_MAX];
	json_t *root;
	struct description d = {0};
	enum err err = folder_path(folder, DESCRIPTION_NAME, path, msg);
	if (!err)
		err = json_file_load(path, MODEL_BYTES_MAX, &root, msg);
	if (err)
		return err;
	err = description_parse(root, path, &d, msg);
	json_decref(root);
	if (err)
		description_done(&d);
	else
		*ret = d;
	return err;
}
