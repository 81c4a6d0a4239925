/*
 * The safetensors format: u64 length of the header (little-endian), the header (JSON: name ->
 * dtype, shape, data_offsets; "__metadata__"), then the tensors' bytes, without gaps.
 *
 * Files come from anywhere, so nothing in one is believed before it is checked: lengths, shapes
 * and their products, offsets against the file and each other, names that come twice.
 */
#ifndef FREEAL_TRAINER_ENCODER_SAFETENSORS_H
#define FREEAL_TRAINER_ENCODER_SAFETENSORS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SAFETENSORS_DIMS_MAX 8
#define SAFETENSORS_NAME_BYTES_MAX 512
/* The format's own limit is 100 MB. A checkpoint of the largest shape that is supported has less
 * than 1 MB, and JSON takes many times its size in memory. */
#define SAFETENSORS_HEADER_BYTES_MAX (8u << 20)

enum safetensors_type {
	SAFETENSORS_F32,
	SAFETENSORS_F16,
	SAFETENSORS_BF16,
	SAFETENSORS_OTHER, /* known, but can't be read as floats here */
};

struct safetensors_tensor {
	const char *name;
	enum safetensors_type type;
	const char *type_name; /* as in the file, for messages */
	size_t dims;
	uint64_t shape[SAFETENSORS_DIMS_MAX];
	uint64_t elements;
	const unsigned char *data; /* not aligned */
	size_t bytes;
};

struct safetensors;

/* Maps the file, which must not be cut while it is open. ERR_NOT_FOUND: no such file;
 * ERR_CORRUPT: damaged; ERR_LIMIT: more header, dimensions or name than is read here. */
enum err safetensors_open(const char *path, struct safetensors **ret_file,
			  struct err_msg *msg) WARN_UNUSED;
/* The same of bytes in memory, which are borrowed; `path` is for messages. */
enum err safetensors_parse(const char *path, const void *data, size_t bytes,
			   struct safetensors **ret_file, struct err_msg *msg) WARN_UNUSED;
void safetensors_close(struct safetensors *s);

size_t safetensors_count(const struct safetensors *s);
/* In the order of their bytes. */
const struct safetensors_tensor *safetensors_at(const struct safetensors *s, size_t index);
/* NULL: there is none of that name. */
const struct safetensors_tensor *safetensors_find(const struct safetensors *s, const char *name);

/* The tensor's floats to `ret` (elements); its type is not SAFETENSORS_OTHER. A mapped file's
 * pages are given back, so that reading a whole one takes no memory beside the result. */
void safetensors_read(const struct safetensors *s, const struct safetensors_tensor *t, float *ret);

/* ---- writing ---- */

struct safetensors_entry {
	const char *name;
	size_t dims; /* 1 or 2 */
	size_t shape[2];
	const float *data;
};

/* A new file of float32 tensors, in that order, on disk on ERR_OK. */
enum err safetensors_write(const char *path, const struct safetensors_entry *entries, size_t count,
			   struct err_msg *msg) WARN_UNUSED;

#endif
