#include "trainer/outbox.h"

#include "base/limits.h"
#include "wire/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct outbox_chunk {
	uint64_t offset; /* in the file */
	size_t bytes;
};

struct outbox_stream {
	char name[STREAM_NAME_BYTES_MAX];
	int fd;
	struct outbox_chunk *chunks; /* seq = position */
	size_t chunk_count, chunk_capacity;
	uint64_t bytes, row_count;
	uint64_t offer_due_ms;
};

struct outbox {
	struct outbox_stream **streams; /* (count_max), `count` in use */
	unsigned count, count_max;
};

/* A file without a name; where the file system has no O_TMPFILE, one that loses its
 * name at once. */
static int temp_open(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	char path[4096];
	if (snprintf(path, sizeof path, "%s/outbox-XXXXXX", dir) >= (int)sizeof path)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

enum err outbox_stream_new(const char *dir, const char *name, struct outbox_stream **ret_stream,
			   struct err_msg *msg)
{
	assert(strlen(name) < STREAM_NAME_BYTES_MAX);
	struct outbox_stream *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(msg, ERR_NO_MEMORY, "no memory for stream %s", name);
	(void)snprintf(s->name, sizeof s->name, "%s", name);
	s->fd = temp_open(dir);
	if (s->fd < 0) {
		enum err e =
		    err_set(msg, ERR_IO, "cannot make a file in %s: %s", dir, strerror(errno));
		outbox_stream_free(s);
		return e;
	}
	*ret_stream = s;
	return ERR_OK;
}

static bool file_write(int fd, const uint8_t *data, size_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t n = pwrite(fd, data, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		bytes -= (size_t)n;
		offset += (uint64_t)n;
	}
	return true;
}

static bool file_read(int fd, uint8_t *data, size_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t n = pread(fd, data, bytes, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		bytes -= (size_t)n;
		offset += (uint64_t)n;
	}
	return true;
}

static bool chunk_reserve(struct outbox_stream *s)
{
	if (s->chunk_count < s->chunk_capacity)
		return true;
	size_t capacity = s->chunk_capacity ? 2 * s->chunk_capacity : 16;
	struct outbox_chunk *chunks = realloc(s->chunks, capacity * sizeof *chunks);
	if (!chunks)
		return false;
	s->chunks = chunks;
	s->chunk_capacity = capacity;
	return true;
}

enum err outbox_stream_add(struct outbox_stream *s, const ProtobufCMessage *body,
			   uint64_t row_count, struct err_msg *msg)
{
	size_t bytes = protobuf_c_message_get_packed_size(body);
	if (bytes > FRAME_BYTES_MAX / 2)
		return err_set(msg, ERR_LIMIT, "a chunk of stream %s has %zu bytes", s->name,
			       bytes);
	uint8_t *data = malloc(bytes ? bytes : 1);
	if (!data || !chunk_reserve(s)) {
		free(data);
		return err_set(msg, ERR_NO_MEMORY, "no memory for stream %s", s->name);
	}
	(void)protobuf_c_message_pack(body, data);
	bool written = file_write(s->fd, data, bytes, s->bytes);
	free(data);
	if (!written)
		return err_set(msg, errno == ENOSPC ? ERR_FULL : ERR_IO,
			       "cannot write stream %s: %s", s->name, strerror(errno));
	s->chunks[s->chunk_count++] = (struct outbox_chunk){s->bytes, bytes};
	s->bytes += bytes;
	s->row_count += row_count;
	return ERR_OK;
}

const char *outbox_stream_name(const struct outbox_stream *s)
{
	return s->name;
}

void outbox_stream_free(struct outbox_stream *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->chunks);
	free(s);
}

enum err outbox_new(unsigned stream_count_max, struct outbox **ret_outbox)
{
	struct outbox *o = calloc(1, sizeof *o);
	if (!o)
		return ERR_NO_MEMORY;
	o->count_max = stream_count_max;
	o->streams = calloc(stream_count_max, sizeof(struct outbox_stream *));
	if (!o->streams) {
		free(o);
		return ERR_NO_MEMORY;
	}
	*ret_outbox = o;
	return ERR_OK;
}

void outbox_free(struct outbox *o)
{
	if (!o)
		return;
	for (unsigned i = 0; i < o->count; i++)
		outbox_stream_free(o->streams[i]);
	free(o->streams);
	free(o);
}

unsigned outbox_count(const struct outbox *o)
{
	return o->count;
}

/* Position of the stream, or `count`. */
static unsigned stream_find(const struct outbox *o, const char *name)
{
	unsigned i = 0;
	while (i < o->count && strcmp(o->streams[i]->name, name) != 0)
		i++;
	return i;
}

enum err outbox_put(struct outbox *o, struct outbox_stream *s)
{
	unsigned at = stream_find(o, s->name);
	if (at == o->count_max)
		return ERR_LIMIT;
	if (at < o->count)
		outbox_stream_free(o->streams[at]);
	else
		o->count++;
	o->streams[at] = s;
	return ERR_OK;
}

bool outbox_drop(struct outbox *o, const char *name)
{
	unsigned at = stream_find(o, name);
	if (at == o->count)
		return false;
	outbox_stream_free(o->streams[at]);
	o->streams[at] = o->streams[--o->count];
	return true;
}

static enum err chunk_send(struct outbox_stream *s, struct socket *socket, size_t seq)
{
	struct outbox_chunk chunk = s->chunks[seq];
	uint8_t *data = malloc(chunk.bytes ? chunk.bytes : 1);
	if (!data)
		return ERR_NO_MEMORY;
	enum err e = file_read(s->fd, data, chunk.bytes, chunk.offset) ? ERR_OK : ERR_IO;
	if (!e)
		e = stream_chunk_send(socket, NULL, s->name, seq, seq + 1,
				      seq + 1 == s->chunk_count, data, chunk.bytes);
	free(data);
	return e;
}

void outbox_answer(struct outbox *o, struct socket *socket, const Freeal__ChunkRequest *request,
		   uint64_t now_ms)
{
	unsigned at = stream_find(o, request->stream);
	if (at == o->count || request->next_seq >= o->streams[at]->chunk_count) {
		stream_missing_send(socket, NULL, request->stream);
		return;
	}
	struct outbox_stream *s = o->streams[at];
	s->offer_due_ms = now_ms + OUTBOX_OFFER_MS;
	uint32_t credit = request->credit < STREAM_CREDIT ? request->credit : STREAM_CREDIT;
	for (size_t seq = request->next_seq; credit > 0 && seq < s->chunk_count; seq++, credit--) {
		/* What is not sent now is asked for again. */
		if (chunk_send(s, socket, seq) != ERR_OK)
			return;
	}
}

uint64_t outbox_tick(struct outbox *o, struct socket *socket, uint64_t now_ms)
{
	uint64_t next_ms = UINT64_MAX;
	for (unsigned i = 0; i < o->count; i++) {
		struct outbox_stream *s = o->streams[i];
		if (now_ms >= s->offer_due_ms) {
			stream_offer_send(socket, NULL, s->name, s->row_count);
			s->offer_due_ms = now_ms + OUTBOX_OFFER_MS;
		}
		if (s->offer_due_ms < next_ms)
			next_ms = s->offer_due_ms;
	}
	return next_ms;
}
