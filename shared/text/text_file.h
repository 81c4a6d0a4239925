/*
 * A small file as one piece of memory.
 */
#ifndef FREEAL_TEXT_TEXT_FILE_H
#define FREEAL_TEXT_TEXT_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* buf_done() the text. ERR_NOT_FOUND, ERR_IO; ERR_LIMIT: it has more bytes than `bytes_max`. */
enum err text_file_load(const char *path, size_t bytes_max, struct buf *ret_text,
			struct err_msg *msg) WARN_UNUSED;

#endif
