/*
 * Where a source's bytes come from: a file, standard input or memory. What is
 * compressed with gzip is unpacked on the way, piece by piece; its first bytes
 * tell, not its name.
 */
#ifndef FREEAL_TEXT_INPUT_H
#define FREEAL_TEXT_INPUT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct input;

/* What a read does where no byte is there yet. */
enum input_mode {
	INPUT_WAIT,   /* waits for one */
	INPUT_LIVE,   /* ERR_AGAIN */
	INPUT_FOLLOW, /* ERR_AGAIN; a file's end is none, because it may grow */
};

/* `path` is "-" for standard input. ERR_INVALID with a message where it can't be read. */
WARN_UNUSED enum err input_open(const char *path, enum input_mode mode, struct input **ret_input,
				struct err_msg *msg);
/* The same over bytes in memory, borrowed. */
WARN_UNUSED enum err input_open_memory(const void *data, size_t size, struct input **ret_input);
void input_free(struct input *i);

/*
 * At least one byte, or *ret_size is 0 at the end. ERR_AGAIN as the mode says;
 * ERR_CANCELLED: the followed file was cut off, so that what comes next does not
 * belong to what came before; else ERR_IO, ERR_CORRUPT or ERR_NO_MEMORY, and
 * input_fault() has the words.
 */
WARN_UNUSED enum err input_read(struct input *i, void *to, size_t size, size_t *ret_size);
const char *input_fault(const struct input *i);

/*
 * After the end, or ERR_CANCELLED, of a followed file: goes on with the file that is
 * at its path now. ERR_NOT_FOUND: the input has really ended; ERR_AGAIN: no file is
 * there at this moment.
 */
WARN_UNUSED enum err input_next(struct input *i);

/* A file that is followed: its end may not be the input's. */
bool input_follows(const struct input *i);
/* To be polled for more bytes; -1 where that can't be done, as with a growing file. */
int input_fd(const struct input *i);

#endif
