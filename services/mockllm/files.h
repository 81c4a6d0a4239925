/*
 * Files that clients uploaded or batches wrote, in memory. The caller sees to it that one thread
 * at a time calls.
 */
#ifndef FREEAL_MOCKLLM_FILES_H
#define FREEAL_MOCKLLM_FILES_H

#include "base/buf.h"
#include "base/err.h"
#include "mockllm/chat.h"

#include <stdint.h>

enum { FILES_MAX = 1000, FILES_BYTES_MAX = 128 << 20, FILES_ID_MAX = 32, FILES_NAME_MAX = 128 };

struct file {
	char id[FILES_ID_MAX];
	char name[FILES_NAME_MAX];
	char purpose[32];
	uint64_t created_s; /* since 1970 */
	struct buf data;
};

struct files {
	struct file items[FILES_MAX]; /* in the order of their making */
	size_t count;
	uint64_t made;
};

void files_init(struct files *f);
void files_done(struct files *f);

/* Keeps a copy of `data`. NULL where there is no room or memory. */
struct file *files_add(struct files *f, struct chat_text name, const char *purpose,
		       struct chat_text data, uint64_t now_s);
/* NULL where it is not there. What these return is gone when a file is deleted. */
struct file *files_find(struct files *f, const char *id);
void files_delete(struct files *f, struct file *file);

/* Appends the file's object. */
void files_write(struct buf *out, const struct file *file);

#endif
