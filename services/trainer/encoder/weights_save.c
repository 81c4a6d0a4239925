#include "trainer/encoder/weights.h"

#include "base/crash.h"
#include "base/folder.h"
#include "tokenizer/tokenizer.h"
#include "trainer/description.h"
#include "trainer/encoder/safetensors.h"
#include "trainer/encoder/weights_folder.h"
#include "trainer/encoder/weights_names.h"

#include <assert.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIXED_BYTES (2 * WEIGHTS_NAME_BYTES)

/* ---- config.json ---- */

static int labels_set(json_t *config, const char *const *label_names, size_t count)
{
	char number[24];
	json_t *names = json_object(), *numbers = json_object();
	int failed = 0;
	for (size_t i = 0; !failed && i < count; i++) {
		(void)snprintf(number, sizeof number, "%zu", i);
		failed = json_object_set_new(names, number, json_string(label_names[i])) ||
			 json_object_set_new(numbers, label_names[i], json_integer((json_int_t)i));
	}
	/* Each takes its value, whatever comes of it. */
	int failed_names = json_object_set_new(config, "id2label", names);
	int failed_numbers = json_object_set_new(config, "label2id", numbers);
	return failed || failed_names || failed_numbers;
}

/* The source's, for a classifier of these labels in float32. */
static int config_update(json_t *config, const struct parameters *p, const char *const *label_names)
{
	const char *architecture = weights_architecture(p->config.family);
	int failed = labels_set(config, label_names, p->class_count) ||
		     json_object_set_new(config, "architectures", json_pack("[s]", architecture)) ||
		     json_object_set_new(config, "problem_type",
					 json_string("single_label_classification")) ||
		     json_object_set_new(config, "dtype", json_string("float32"));
	/* The name of dtype in files of before; where there is none, none is missed. */
	if (!failed && json_object_get(config, "torch_dtype"))
		failed = json_object_set_new(config, "torch_dtype", json_string("float32"));
	/* transformers counts id2label. */
	(void)json_object_del(config, "num_labels");
	(void)json_object_del(config, "_num_labels");
	return failed;
}

static enum err config_write(const char *source, const struct parameters *p,
			     const char *const *label_names, const char *folder,
			     struct err_msg *msg)
{
	char path[PATH_MAX];
	json_t *config;
	enum err e = folder_path(folder, WEIGHTS_CONFIG_NAME, path, msg);
	if (!e)
		e = encoder_config_object(source, &config, msg);
	if (e)
		return e;
	char *text =
	    config_update(config, p, label_names) ? NULL : json_dumps(config, JSON_INDENT(2));
	json_decref(config);
	if (!text)
		return err_set(msg, ERR_INVALID, "%s can't be made: a label is not UTF-8", path);
	const struct folder_part parts[] = {{text, strlen(text)}, {"\n", 1}};
	e = folder_file_write(path, parts, 2, msg);
	free(text);
	return e;
}

/* ---- the weights ---- */

static enum err names_write(const struct weights_names *names, const struct parameters *p,
			    const float *weights, const char *path, struct err_msg *msg)
{
	struct safetensors_entry *entries = calloc(names->count, sizeof *entries);
	char(*full)[PREFIXED_BYTES] = calloc(names->count, sizeof *full);
	enum err e =
	    entries && full ? ERR_OK : err_set(msg, ERR_NO_MEMORY, "no memory for %s", path);
	for (size_t i = 0; !e && i < names->count; i++) {
		const struct weights_tensor *t = &names->list[i];
		(void)snprintf(full[i], PREFIXED_BYTES, "%s%s",
			       t->in_base ? weights_prefix(p->config.family) : "", t->name);
		entries[i] = (struct safetensors_entry){.name = full[i],
							.dims = t->dims,
							.shape = {t->shape[0], t->shape[1]},
							.data = weights + t->offset};
	}
	if (!e)
		e = safetensors_write(path, entries, names->count, msg);
	free(entries);
	free(full);
	return e;
}

static enum err weights_write(const struct parameters *p, const float *weights, const char *folder,
			      struct err_msg *msg)
{
	char path[PATH_MAX];
	struct weights_names names;
	enum err e = folder_path(folder, WEIGHTS_FILE_NAME, path, msg);
	if (e)
		return e;
	e = weights_names_init(&names, p);
	if (e)
		return err_set(msg, e, "no memory for %s", path);
	e = names_write(&names, p, weights, path, msg);
	weights_names_done(&names);
	return e;
}

/* ---- the folder ---- */

static enum err tokenizer_copy(const char *source, const char *folder, struct err_msg *msg)
{
	char from[PATH_MAX], to[PATH_MAX];
	enum err e = ERR_OK;
	for (size_t i = 0; !e && tokenizer_files[i]; i++) {
		e = folder_path(source, tokenizer_files[i], from, msg);
		if (!e)
			e = folder_path(folder, tokenizer_files[i], to, msg);
		if (!e)
			e = folder_file_copy(from, to, msg);
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
	}
	return e;
}

static enum err description_make(const char *folder, const struct parameters *p,
				 const char *const *label_names, uint32_t tokens_max,
				 uint64_t *ret_checksum, struct err_msg *msg)
{
	struct description d = {.type = MODEL_ENCODER,
				.label_count = p->class_count,
				.labels = (char **)(uintptr_t)label_names,
				.tokens = tokens_max};
	enum err e = weights_folder_checksum(folder, &d.checksum, msg);
	if (!e)
		e = description_write(&d, folder, msg);
	if (!e)
		*ret_checksum = d.checksum;
	return e;
}

enum err weights_save(const char *source, const struct parameters *p, const float *weights,
		      const char *const *label_names, uint32_t tokens_max, const char *folder,
		      uint64_t *ret_checksum, struct err_msg *msg)
{
	char made[PATH_MAX];
	uint64_t checksum;
	assert(p->class_count >= 2);
	enum err e = folder_begin(folder, made, msg);
	if (e)
		return e;
	e = weights_write(p, weights, made, msg);
	if (!e)
		e = config_write(source, p, label_names, made, msg);
	if (!e)
		e = tokenizer_copy(source, made, msg);
	crash_point("weights_written");
	if (!e)
		e = description_make(made, p, label_names, tokens_max, &checksum, msg);
	if (!e)
		e = folder_replace(made, folder, msg);
	if (e)
		folder_delete(made);
	else
		*ret_checksum = checksum;
	return e;
}
