#include "trainer/encoder/safetensors.h"

#include "base/buf.h"
#include "base/folder.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN_BYTES 8u

static size_t entry_bytes(const struct safetensors_entry *e)
{
	return (e->dims == 1 ? e->shape[0] : e->shape[0] * e->shape[1]) * sizeof *e->data;
}

/* A name of ours needs no escapes. */
static void entry_describe(struct buf *b, const struct safetensors_entry *e, uint64_t begin)
{
	assert(!strpbrk(e->name, "\"\\") && (e->dims == 1 || e->dims == 2));
	buf_printf(b, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%zu", e->name, e->shape[0]);
	if (e->dims == 2)
		buf_printf(b, ",%zu", e->shape[1]);
	buf_printf(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin,
		   begin + entry_bytes(e));
}

/* Its length in front; padded so that the data is aligned. */
static enum err header_make(struct buf *b, const struct safetensors_entry *entries, size_t count)
{
	uint64_t length = 0, at = 0;
	buf_add(b, &length, sizeof length);
	buf_add_str(b, "{\"__metadata__\":{\"format\":\"pt\"}");
	for (size_t i = 0; i < count; at += entry_bytes(&entries[i++]))
		entry_describe(b, &entries[i], at);
	buf_add_char(b, '}');
	while (!buf_error(b) && b->size % ALIGN_BYTES != 0)
		buf_add_char(b, ' ');
	if (buf_error(b))
		return buf_error(b);
	length = b->size - sizeof length;
	memcpy(b->data, &length, sizeof length);
	return ERR_OK;
}

enum err safetensors_write(const char *path, const struct safetensors_entry *entries, size_t count,
			   struct err_msg *msg)
{
	struct buf header;
	buf_init(&header, SAFETENSORS_HEADER_BYTES_MAX);
	struct folder_part *parts = calloc(count + 1, sizeof *parts);
	enum err e = parts ? header_make(&header, entries, count) : ERR_NO_MEMORY;
	if (e) {
		(void)err_set(msg, e, "%s: its header can't be made: %s", path, err_str(e));
	} else {
		parts[0] = (struct folder_part){header.data, header.size};
		for (size_t i = 0; i < count; i++)
			parts[i + 1] =
			    (struct folder_part){entries[i].data, entry_bytes(&entries[i])};
		e = folder_file_write(path, parts, count + 1, msg);
	}
	free(parts);
	buf_done(&header);
	return e;
}
