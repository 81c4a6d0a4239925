#include "trainer/encoder/weights_folder.h"

#include "base/folder.h"
#include "base/rng.h"
#include "tokenizer/tokenizer.h"
#include "trainer/description.h"
#include "trainer/encoder/weights.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 65536u

/* ---- the checksum ---- */

static enum err file_checksum(const char *folder, const char *name, uint64_t *checksum,
			      struct err_msg *msg)
{
	char path[PATH_MAX], block[BLOCK_BYTES];
	enum err e = folder_path(folder, name, path, msg);
	if (e)
		return e;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return err_set_errno(msg, "read", path);
	uint64_t hash = hash_bytes(*checksum, name, strlen(name));
	size_t size;
	while ((size = fread(block, 1, sizeof block, file)) > 0)
		hash = hash_bytes(hash, block, size);
	if (ferror(file))
		e = err_set_errno(msg, "read", path);
	(void)fclose(file);
	if (!e)
		*checksum = hash;
	return e;
}

enum err weights_folder_checksum(const char *folder, uint64_t *ret_checksum, struct err_msg *msg)
{
	uint64_t checksum = 0;
	enum err e = file_checksum(folder, WEIGHTS_FILE_NAME, &checksum, msg);
	if (!e)
		e = file_checksum(folder, WEIGHTS_CONFIG_NAME, &checksum, msg);
	for (size_t i = 0; !e && tokenizer_files[i]; i++) {
		e = file_checksum(folder, tokenizer_files[i], &checksum, msg);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
	}
	if (!e)
		*ret_checksum = checksum;
	return e;
}

/* ---- the labels ---- */

void weights_labels_done(struct weights_labels *labels)
{
	for (size_t i = 0; labels->names && i < labels->count; i++)
		free(labels->names[i]);
	free(labels->names);
	*labels = (struct weights_labels){0};
}

/* config.json's name of a class; as in transformers, "LABEL_3" where it has no names. */
static char *label_name(const json_t *config, size_t i)
{
	char key[24], fallback[32];
	const json_t *names = json_object_get(config, "id2label");
	(void)snprintf(key, sizeof key, "%zu", i);
	(void)snprintf(fallback, sizeof fallback, "LABEL_%zu", i);
	const char *name = names ? json_string_value(json_object_get(names, key)) : fallback;
	return name ? strdup(name) : NULL;
}

static enum err names_read(const char *folder, const json_t *config, size_t count,
			   struct weights_labels *ret, struct err_msg *msg)
{
	const json_t *names = json_object_get(config, "id2label");
	const char *problem = json_string_value(json_object_get(config, "problem_type"));
	if (count < 2 || (problem && strcmp(problem, "single_label_classification") != 0))
		return err_set(msg, ERR_INVALID,
			       "%s: %s; a model of at least two classes is needed, one for each "
			       "text",
			       folder,
			       count == 0   ? "the weights have no classifier"
			       : count == 1 ? "the classifier has one output"
					    : problem);
	if (names && json_object_size(names) != count)
		return err_set(msg, ERR_CORRUPT,
			       "%s: config.json names %zu labels, the classifier has %zu", folder,
			       json_object_size(names), count);
	struct weights_labels labels = {.count = count, .names = calloc(count, sizeof(char *))};
	enum err e = labels.names ? ERR_OK : err_set(msg, ERR_NO_MEMORY, "no memory for labels");
	for (size_t i = 0; !e && i < count; i++)
		if (!(labels.names[i] = label_name(config, i)))
			e = err_set(msg, ERR_CORRUPT, "%s: config.json has no name for label %zu",
				    folder, i);
	if (e)
		weights_labels_done(&labels);
	else
		*ret = labels;
	return e;
}

/* What config.json and the size of the classifier say. */
static enum err classifier_labels(const char *folder, struct weights_labels *ret,
				  struct err_msg *msg)
{
	struct encoder_config config;
	json_t *object;
	size_t count;
	enum err e = encoder_config_load(folder, &config, msg);
	if (!e)
		e = weights_class_count(folder, &config, &count, msg);
	if (!e)
		e = encoder_config_object(folder, &object, msg);
	if (e)
		return e;
	e = names_read(folder, object, count, ret, msg);
	json_decref(object);
	return e;
}

/* The folder is the one that the description was made for, as far as that can be told without
 * reading the weights. */
static enum err description_check(const char *folder, const struct description *d,
				  struct weights_labels *ret, struct err_msg *msg)
{
	struct weights_labels labels;
	if (d->type != MODEL_ENCODER)
		return err_set(msg, ERR_INVALID, "%s holds no encoder", folder);
	enum err e = classifier_labels(folder, &labels, msg);
	if (e)
		return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
	bool same = labels.count == d->label_count;
	for (size_t i = 0; same && i < labels.count; i++)
		same = strcmp(labels.names[i], d->labels[i]) == 0;
	if (same) {
		*ret = labels;
		return ERR_OK;
	}
	weights_labels_done(&labels);
	return err_set(msg, ERR_CORRUPT, "%s: config.json and %s name other labels", folder,
		       DESCRIPTION_NAME);
}

enum err weights_labels_load(const char *folder, struct weights_labels *ret_labels,
			     uint64_t *ret_checksum, struct err_msg *msg)
{
	struct description d;
	struct weights_labels labels;
	uint64_t checksum;
	enum err e = description_read(folder, &d, msg);
	if (!e) {
		e = description_check(folder, &d, &labels, msg);
		checksum = d.checksum;
		description_done(&d);
	} else if (e == ERR_NOT_FOUND) {
		e = classifier_labels(folder, &labels, msg);
		if (!e && (e = weights_folder_checksum(folder, &checksum, msg)))
			weights_labels_done(&labels);
	}
	if (e)
		return e;
	*ret_labels = labels;
	*ret_checksum = checksum;
	return ERR_OK;
}

enum err weights_check(const char *folder, struct err_msg *msg)
{
	struct weights_labels labels;
	uint64_t named, is;
	enum err e = weights_labels_load(folder, &labels, &named, msg);
	if (e)
		return e;
	weights_labels_done(&labels);
	e = weights_folder_checksum(folder, &is, msg);
	if (!e && is != named)
		e = err_set(msg, ERR_CORRUPT,
			    "%s is damaged: its files have the checksum %016" PRIx64
			    " instead of %016" PRIx64,
			    folder, is, named);
	return e;
}
