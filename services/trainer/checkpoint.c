#include "trainer/checkpoint.h"

#include "base/crash.h"
#include "base/folder.h"
#include "base/rng.h"
#include "trainer/terms.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char MAGIC[8] = "FREEALNG";
static const char WEIGHTS_NAME[] = "weights.bin";

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
	const struct description d = {.type = MODEL_NGRAM,
				      .label_count = h->class_count,
				      .labels = (char **)label_names,
				      .checksum = h->checksum,
				      .columns = h->column_count,
				      .bits = h->bits};
	return description_write(&d, folder, msg);
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

static enum err model_read(const char *folder, struct description *ret, struct err_msg *msg)
{
	enum err err = description_read(folder, ret, msg);
	if (err || ret->type == MODEL_NGRAM)
		return err;
	description_done(ret);
	return err_set(msg, ERR_CORRUPT, "%s holds no ngram model", folder);
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

static enum err weights_read(const char *path, size_t class_count, uint64_t checksum,
			     struct ngram **ret, struct err_msg *msg)
{
	struct header h;
	struct stat stat;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return err_set_errno(msg, "read", path);
	enum err err = ERR_OK;
	uint32_t *body = NULL;
	if (fstat(fileno(file), &stat))
		err = err_set_errno(msg, "read", path);
	else if (fread(&h, sizeof h, 1, file) != 1)
		err = err_set(msg, ERR_CORRUPT, "%s is cut off", path);
	else
		err = header_check(&h, (uint64_t)stat.st_size, class_count, path, msg);
	if (!err) {
		body = malloc(body_words(&h) * 4);
		if (h.checksum != checksum)
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

enum err ngram_load(const char *folder, struct ngram **ret, struct description *ret_description,
		    struct err_msg *msg)
{
	char path[PATH_MAX];
	struct description d;
	enum err err = folder_path(folder, WEIGHTS_NAME, path, msg);
	if (!err)
		err = model_read(folder, &d, msg);
	if (err)
		return err;
	err = weights_read(path, d.label_count, d.checksum, ret, msg);
	if (err)
		description_done(&d);
	else
		*ret_description = d;
	return err;
}
