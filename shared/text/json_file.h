/*
 * A JSON object that is a file of its own.
 */
#ifndef FREEAL_TEXT_JSON_FILE_H
#define FREEAL_TEXT_JSON_FILE_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

/* json_decref() the object. ERR_NOT_FOUND; ERR_LIMIT: it has more bytes than `bytes_max`;
 * ERR_CORRUPT: no JSON, no object, or a key twice. */
enum err json_file_load(const char *path, size_t bytes_max, json_t **ret_object,
			struct err_msg *msg) WARN_UNUSED;

/* The same of bytes that were read from `path`. */
enum err json_file_parse(const char *path, const void *data, size_t bytes, json_t **ret_object,
			 struct err_msg *msg) WARN_UNUSED;

#endif
