#include "text/input.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define RAW_BYTES (64u << 10)
#define GZIP_FIRST 0x1f
#define GZIP_SECOND 0x8b
/* zlib: the largest window, and a gzip header. */
#define GZIP_WINDOW_BITS (15 + 16)

enum input_form {
	FORM_UNKNOWN, /* its first bytes are not there yet */
	FORM_PLAIN,
	FORM_GZIP,
};

struct input {
	char *path; /* NULL: can't be opened again */
	enum input_mode mode;
	int fd; /* -1 over memory */
	bool regular;
	const unsigned char *memory; /* what is left */
	size_t memory_size;
	uint64_t position; /* bytes read of the file */
	bool replaced;	   /* another file is at the path: this one won't grow any more */
	enum input_form form;
	unsigned char *raw; /* read, but not handed out or unpacked */
	size_t raw_begin, raw_end;
	bool raw_at_end;
	z_stream gzip;
	bool gzip_ready;
	bool gzip_inside; /* of a member; a file may have several */
	char fault[128];
};

static enum err input_fail(struct input *i, enum err e, const char *what)
{
	(void)snprintf(i->fault, sizeof i->fault, "%s", what);
	return e;
}

const char *input_fault(const struct input *i)
{
	return i->fault;
}

bool input_follows(const struct input *i)
{
	return i->mode == INPUT_FOLLOW && i->regular;
}

int input_fd(const struct input *i)
{
	return i->regular ? -1 : i->fd;
}

static enum err input_make(enum input_mode mode, struct input **ret_input)
{
	struct input *i = calloc(1, sizeof *i);
	if (!i)
		return ERR_NO_MEMORY;
	i->fd = -1;
	i->mode = mode;
	i->raw = malloc(RAW_BYTES);
	if (!i->raw) {
		input_free(i);
		return ERR_NO_MEMORY;
	}
	*ret_input = i;
	return ERR_OK;
}

static enum err file_open(struct input *i, const char *path, struct err_msg *msg)
{
	bool standard = strcmp(path, "-") == 0;
	const char *name = standard ? "standard input" : path;
	struct stat st = {0};
	i->fd =
	    standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
	if (i->fd < 0 && errno == ENOENT)
		return err_set(msg, ERR_INVALID, "%s: no such file; check the path", name);
	if (i->fd < 0 || fstat(i->fd, &st) != 0)
		return err_set(msg, ERR_INVALID, "%s: cannot be opened: %s", name, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(msg, ERR_INVALID, "%s: is a folder; give a file", name);
	i->regular = S_ISREG(st.st_mode);
	if (standard)
		return ERR_OK;
	i->path = strdup(path);
	return i->path ? ERR_OK : err_set(msg, ERR_NO_MEMORY, "no memory");
}

enum err input_open(const char *path, enum input_mode mode, struct input **ret_input,
		    struct err_msg *msg)
{
	struct input *i;
	enum err e = input_make(mode, &i);
	if (e)
		return err_set(msg, e, "%s", err_str(e));
	e = file_open(i, path, msg);
	if (e) {
		input_free(i);
		return e;
	}
	*ret_input = i;
	return ERR_OK;
}

enum err input_open_memory(const void *data, size_t size, struct input **ret_input)
{
	struct input *i;
	enum err e = input_make(INPUT_WAIT, &i);
	if (e)
		return e;
	i->memory = data;
	i->memory_size = size;
	*ret_input = i;
	return ERR_OK;
}

void input_free(struct input *i)
{
	if (!i)
		return;
	if (i->gzip_ready)
		(void)inflateEnd(&i->gzip);
	if (i->fd >= 0)
		(void)close(i->fd);
	free(i->raw);
	free(i->path);
	free(i);
}

/* A followed file has no more bytes: is it cut, replaced, or may it grow? */
static enum err followed_end(struct input *i, size_t *ret_size)
{
	struct stat here, there;
	if (fstat(i->fd, &here) != 0)
		return input_fail(i, ERR_IO, strerror(errno));
	if ((uint64_t)here.st_size < i->position)
		return ERR_CANCELLED;
	if (i->replaced) {
		*ret_size = 0;
		return ERR_OK;
	}
	/* Its writer may have it open still: one more look before the end. */
	i->replaced = i->path && stat(i->path, &there) == 0 &&
		      (there.st_ino != here.st_ino || there.st_dev != here.st_dev);
	return ERR_AGAIN;
}

static enum err file_read(struct input *i, void *to, size_t size, size_t *ret_size)
{
	struct pollfd ready = {.fd = i->fd, .events = POLLIN};
	if (i->mode != INPUT_WAIT && !i->regular && poll(&ready, 1, 0) <= 0)
		return ERR_AGAIN;
	ssize_t n;
	do {
		n = read(i->fd, to, size);
		/* Whoever shares standard input may have made it non-blocking. */
		if (n < 0 && errno == EAGAIN && i->mode == INPUT_WAIT)
			(void)poll(&ready, 1, -1);
	} while (n < 0 && (errno == EINTR || (errno == EAGAIN && i->mode == INPUT_WAIT)));
	if (n < 0 && errno == EAGAIN)
		return ERR_AGAIN;
	if (n < 0)
		return input_fail(i, ERR_IO, strerror(errno));
	if (n == 0 && input_follows(i))
		return followed_end(i, ret_size);
	i->position += (size_t)n;
	*ret_size = (size_t)n;
	return ERR_OK;
}

static enum err bytes_read(struct input *i, void *to, size_t size, size_t *ret_size)
{
	if (i->fd >= 0)
		return file_read(i, to, size, ret_size);
	if (size > i->memory_size)
		size = i->memory_size;
	if (size) {
		memcpy(to, i->memory, size);
		i->memory += size;
		i->memory_size -= size;
	}
	*ret_size = size;
	return ERR_OK;
}

/* Reads behind what is raw. */
static enum err raw_fill(struct input *i)
{
	size_t n;
	if (i->raw_begin == i->raw_end)
		i->raw_begin = i->raw_end = 0;
	enum err e = bytes_read(i, i->raw + i->raw_end, RAW_BYTES - i->raw_end, &n);
	if (e)
		return e;
	i->raw_end += n;
	i->raw_at_end = n == 0;
	return ERR_OK;
}

static enum err form_find(struct input *i)
{
	while (i->raw_end < 2 && !i->raw_at_end) {
		enum err e = raw_fill(i);
		if (e)
			return e;
	}
	bool gzip = i->raw_end >= 2 && i->raw[0] == GZIP_FIRST && i->raw[1] == GZIP_SECOND;
	if (gzip && !i->gzip_ready && inflateInit2(&i->gzip, GZIP_WINDOW_BITS) != Z_OK)
		return input_fail(i, ERR_NO_MEMORY, "no memory");
	i->gzip_ready = i->gzip_ready || gzip;
	i->gzip_inside = false;
	i->form = gzip ? FORM_GZIP : FORM_PLAIN;
	return ERR_OK;
}

static enum err plain_read(struct input *i, void *to, size_t size, size_t *ret_size)
{
	size_t have = i->raw_end - i->raw_begin;
	if (have == 0)
		return bytes_read(i, to, size, ret_size);
	if (size > have)
		size = have;
	memcpy(to, i->raw + i->raw_begin, size);
	i->raw_begin += size;
	*ret_size = size;
	return ERR_OK;
}

/* Makes raw bytes available, and begins a member where one begins; *ret_end: it was the last. */
static enum err gzip_prepare(struct input *i, bool *ret_end)
{
	*ret_end = false;
	for (;;) {
		/* Zeros may fill up the last block of a tape. */
		while (!i->gzip_inside && i->raw_begin < i->raw_end && !i->raw[i->raw_begin])
			i->raw_begin++;
		if (i->raw_begin < i->raw_end)
			break;
		if (i->raw_at_end) {
			*ret_end = !i->gzip_inside;
			return ERR_OK;
		}
		enum err e = raw_fill(i);
		if (e)
			return e;
	}
	if (i->gzip_inside)
		return ERR_OK;
	if (i->raw[i->raw_begin] != GZIP_FIRST)
		return input_fail(i, ERR_CORRUPT,
				  "there is something else behind the compressed data");
	if (inflateReset(&i->gzip) != Z_OK)
		return input_fail(i, ERR_CORRUPT, "the compressed data is damaged");
	i->gzip_inside = true;
	return ERR_OK;
}

static enum err gzip_read(struct input *i, void *to, size_t size, size_t *ret_size)
{
	for (;;) {
		bool end;
		enum err e = gzip_prepare(i, &end);
		if (e)
			return e;
		if (end) {
			*ret_size = 0;
			return ERR_OK;
		}
		i->gzip.next_in = i->raw + i->raw_begin;
		i->gzip.avail_in = (uInt)(i->raw_end - i->raw_begin);
		i->gzip.next_out = to;
		i->gzip.avail_out = (uInt)size;
		int code = inflate(&i->gzip, Z_NO_FLUSH);
		i->raw_begin = i->raw_end - i->gzip.avail_in;
		i->gzip_inside = code != Z_STREAM_END;
		*ret_size = size - i->gzip.avail_out;
		/* What came before a fault is handed out first; the fault comes again. */
		if (*ret_size > 0)
			return ERR_OK;
		if (code == Z_MEM_ERROR)
			return input_fail(i, ERR_NO_MEMORY, "no memory");
		if (code != Z_OK && code != Z_BUF_ERROR && code != Z_STREAM_END)
			return input_fail(i, ERR_CORRUPT, "the compressed data is damaged");
		if (i->gzip_inside && i->raw_at_end && i->raw_begin == i->raw_end)
			return input_fail(i, ERR_CORRUPT,
					  "the compressed data ends early; the file is not whole");
	}
}

enum err input_read(struct input *i, void *to, size_t size, size_t *ret_size)
{
	assert(size > 0 && size <= UINT32_MAX);
	if (i->form == FORM_UNKNOWN) {
		enum err e = form_find(i);
		if (e)
			return e;
	}
	return i->form == FORM_GZIP ? gzip_read(i, to, size, ret_size)
				    : plain_read(i, to, size, ret_size);
}

enum err input_next(struct input *i)
{
	if (!input_follows(i))
		return ERR_NOT_FOUND;
	if (i->path) {
		int fd = open(i->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return ERR_AGAIN;
		(void)close(i->fd);
		i->fd = fd;
	} else if (lseek(i->fd, 0, SEEK_SET) != 0) {
		return ERR_NOT_FOUND;
	}
	struct stat st;
	i->regular = fstat(i->fd, &st) == 0 && S_ISREG(st.st_mode);
	i->position = 0;
	i->replaced = i->raw_at_end = false;
	i->raw_begin = i->raw_end = 0;
	i->form = FORM_UNKNOWN;
	return ERR_OK;
}
