#include "trainer/checkpoint.h"

#include "base/crash.h"
#include "base/folder.h"
#include "base/rng.h"
#include "text/json_file.h"
#include "trainer/terms.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CLASS_COUNT_MAX = 65536, MODEL_BYTES_MAX = 32 << 20 };

static const char MAGIC[8] = "FREEALNG";
static const char WEIGHTS_NAME[] = "weights.bin";
static const char MODEL_NAME[] = "model.json";

/* weights.bin starts with it; little-endian, as every machine this is built for. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t bits;
	uint32_t column_count;
	uint32_t class_count;
	uint64_t checksum; /* of the body */
};

static_assert(sizeof(struct header) == 32, "no padding in the file");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the arrays are written as they are");

/* 4-byte words behind the header. */
static uint64_t body_words(const struct header *h)
{
	return 2 * (uint64_t)h->column_count + h->class_count +
	       (uint64_t)h->column_count * h->class_count;
}

/* ---- writing ---- */

static enum err weights_write(const struct ngram_parts *p, const char *folder,
			      struct header *ret_header, struct err_msg *msg)
{
	char path[PATH_MAX];
	struct header h = {.version = CHECKPOINT_VERSION,
			   .bits = p->vocabulary->bits,
			   .column_count = p->vocabulary->column_count,
			   .class_count = (uint32_t)p->class_count};
	memcpy(h.magic, MAGIC, sizeof h.magic);
	size_t columns = h.column_count;
	const struct folder_part parts[] = {{&h, sizeof h},
					    {p->vocabulary->buckets, columns * 4},
					    {p->vocabulary->idf, columns * 4},
					    {p->bias, p->class_count * 4},
					    {p->weights, columns * p->class_count * 4}};
	uint64_t checksum = 0;
	for (size_t i = 1; i < 5; i++)
		checksum = hash_bytes(checksum, parts[i].data, parts[i].size);
	h.checksum = checksum;
	enum err err = folder_path(folder, WEIGHTS_NAME, path, msg);
	if (!err)
		err = folder_file_write(path, parts, 5, msg);
	if (!err)
		*ret_header = h;
	return err;
}

static enum err model_write(const struct header *h, const char *const *label_names,
			    const char *folder, struct err_msg *msg)
{
	char path[PATH_MAX];
	char checksum[17];
	(void)snprintf(checksum, sizeof checksum, "%016" PRIx64, h->checksum);
	json_t *names = json_array();
	for (size_t i = 0; i < h->class_count; i++)
		if (json_array_append_new(names, json_string(label_names[i]))) {
			json_decref(names);
			return err_set(msg, ERR_INVALID, "label %zu's name is not UTF-8", i);
		}
	json_t *root =
	    json_pack("{s:s, s:i, s:s, s:o, s:I, s:i, s:s}", "format", "freeal-model", "version",
		      CHECKPOINT_VERSION, "type", "ngram", "labels", names, "columns",
		      (json_int_t)h->column_count, "bits", (int)h->bits, "checksum", checksum);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	if (!text)
		return err_set(msg, ERR_NO_MEMORY, "no memory for %s", MODEL_NAME);
	enum err err = folder_path(folder, MODEL_NAME, path, msg);
	const struct folder_part parts[] = {{text, strlen(text)}, {"\n", 1}};
	if (!err)
		err = folder_file_write(path, parts, 2, msg);
	free(text);
	return err;
}

enum err ngram_save(const struct ngram *m, const char *const *label_names, const char *folder,
		    uint64_t *ret_checksum, struct err_msg *msg)
{
	char made[PATH_MAX];
	struct ngram_parts parts = ngram_parts(m);
	struct header header;
	enum err err = folder_begin(folder, made, msg);
	if (err)
		return err;
	err = weights_write(&parts, made, &header, msg);
	crash_point("checkpoint_written");
	if (!err)
		err = model_write(&header, label_names, made, msg);
	if (!err)
		err = folder_replace(made, folder, msg);
	if (err)
		folder_delete(made);
	else
		*ret_checksum = header.checksum;
	return err;
}

/* ---- reading ---- */

void ngram_labels_done(struct ngram_labels *labels)
{
	for (size_t i = 0; i < labels->count; i++)
		free(labels->names[i]);
	free(labels->names);
	*labels = (struct ngram_labels){0};
}

static enum err labels_read(json_t *names, struct ngram_labels *ret)
{
	size_t count = json_array_size(names);
	if (count < 2 || count > CLASS_COUNT_MAX)
		return ERR_CORRUPT;
	struct ngram_labels labels = {.names = calloc(count, sizeof *labels.names)};
	if (!labels.names)
		return ERR_NO_MEMORY;
	enum err err = ERR_OK;
	for (size_t i = 0; !err && i < count; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		labels.names[i] = name ? strdup(name) : NULL;
		labels.count = i + 1;
		err = !name ? ERR_CORRUPT : !labels.names[i] ? ERR_NO_MEMORY : ERR_OK;
	}
	if (err)
		ngram_labels_done(&labels);
	else
		*ret = labels;
	return err;
}

static enum err model_read(const char *folder, struct ngram_labels *ret_labels,
			   char ret_checksum[17], struct err_msg *msg)
{
	char path[PATH_MAX];
	enum err err = folder_path(folder, MODEL_NAME, path, msg);
	if (err)
		return err;
	json_t *root;
	err = json_file_load(path, MODEL_BYTES_MAX, &root, msg);
	if (err)
		return err;
	const char *format = json_string_value(json_object_get(root, "format"));
	const char *type = json_string_value(json_object_get(root, "type"));
	const char *checksum = json_string_value(json_object_get(root, "checksum"));
	json_int_t version = json_integer_value(json_object_get(root, "version"));
	if (!format || strcmp(format, "freeal-model") != 0 || !type || strcmp(type, "ngram") != 0 ||
	    !checksum || strlen(checksum) != 16)
		err = err_set(msg, ERR_CORRUPT, "%s is no ngram model's description", path);
	else if (version != CHECKPOINT_VERSION)
		err = err_set(msg, ERR_VERSION, "%s has version %lld; this program reads %d", path,
			      (long long)version, CHECKPOINT_VERSION);
	if (!err) {
		err = labels_read(json_object_get(root, "labels"), ret_labels);
		if (err)
			(void)err_set(msg, err, "%s: its labels can't be read", path);
		else
			memcpy(ret_checksum, checksum, 17);
	}
	json_decref(root);
	return err;
}

static enum err header_check(const struct header *h, uint64_t file_size, size_t class_count,
			     const char *path, struct err_msg *msg)
{
	if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0)
		return err_set(msg, ERR_CORRUPT, "%s is not a weights file", path);
	if (h->version != CHECKPOINT_VERSION)
		return err_set(msg, ERR_VERSION, "%s has version %u; this program reads %d", path,
			       h->version, CHECKPOINT_VERSION);
	if (h->bits < 1 || h->bits > TERMS_BITS_MAX || h->column_count > 2u << h->bits ||
	    h->class_count != class_count)
		return err_set(msg, ERR_CORRUPT, "%s: its sizes can't be right", path);
	uint64_t expected = sizeof *h + body_words(h) * 4;
	if (file_size != expected)
		return err_set(msg, ERR_CORRUPT, "%s has %" PRIu64 " bytes instead of %" PRIu64,
			       path, file_size, expected);
	return ERR_OK;
}

/* The model out of a body that is known to have the header's sizes. */
static enum err body_restore(const struct header *h, const uint32_t *body, struct ngram **ret)
{
	size_t columns = h->column_count;
	uint64_t checksum = 0;
	const uint32_t *at = body;
	size_t sizes[] = {columns, columns, h->class_count, columns * h->class_count};
	for (size_t i = 0; i < 4; at += sizes[i++])
		checksum = hash_bytes(checksum, at, sizes[i] * 4);
	if (checksum != h->checksum)
		return ERR_CORRUPT;
	const float *floats = (const float *)(const void *)(body + columns);
	for (size_t i = columns; i < body_words(h); i++)
		if (!isfinite(floats[i - columns]))
			return ERR_CORRUPT;
	struct ngram_parts parts = {.class_count = h->class_count,
				    .bias = floats + columns,
				    .weights = floats + columns + h->class_count};
	enum err err =
	    vocabulary_restore(h->bits, h->column_count, body, floats, &parts.vocabulary);
	if (err)
		return err;
	err = ngram_restore(&parts, ret);
	vocabulary_unref(parts.vocabulary);
	return err;
}

static enum err weights_read(const char *path, size_t class_count, const char *checksum,
			     struct ngram **ret, struct err_msg *msg)
{
	struct header h;
	struct stat stat;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return err_set_errno(msg, "read", path);
	enum err err = ERR_OK;
	uint32_t *body = NULL;
	char found[17];
	if (fstat(fileno(file), &stat))
		err = err_set_errno(msg, "read", path);
	else if (fread(&h, sizeof h, 1, file) != 1)
		err = err_set(msg, ERR_CORRUPT, "%s is cut off", path);
	else
		err = header_check(&h, (uint64_t)stat.st_size, class_count, path, msg);
	if (!err) {
		(void)snprintf(found, sizeof found, "%016" PRIx64, h.checksum);
		body = malloc(body_words(&h) * 4);
		if (strcmp(found, checksum) != 0)
			err =
			    err_set(msg, ERR_CORRUPT, "%s does not belong to its model.json", path);
		else if (!body)
			err = err_set(msg, ERR_NO_MEMORY, "no memory for %s", path);
		else if (fread(body, body_words(&h) * 4, 1, file) != 1)
			err = err_set(msg, ERR_CORRUPT, "%s is cut off", path);
		else if ((err = body_restore(&h, body, ret)))
			(void)err_set(msg, err, "%s is damaged: %s", path, err_str(err));
	}
	free(body);
	fclose(file);
	return err;
}

enum err ngram_checksum(const char *folder, uint64_t *ret_checksum, struct err_msg *msg)
{
	char checksum[17];
	struct ngram_labels labels;
	enum err err = model_read(folder, &labels, checksum, msg);
	if (err)
		return err;
	ngram_labels_done(&labels);
	*ret_checksum = strtoull(checksum, NULL, 16);
	return ERR_OK;
}

enum err ngram_load(const char *folder, struct ngram **ret, struct ngram_labels *ret_labels,
		    struct err_msg *msg)
{
	char path[PATH_MAX];
	char checksum[17];
	struct ngram_labels labels;
	enum err err = folder_path(folder, WEIGHTS_NAME, path, msg);
	if (!err)
		err = model_read(folder, &labels, checksum, msg);
	if (err)
		return err;
	err = weights_read(path, labels.count, checksum, ret, msg);
	if (err) {
		ngram_labels_done(&labels);
		return err;
	}
	*ret_labels = labels;
	return ERR_OK;
}
