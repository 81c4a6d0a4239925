#include "wire/folder_stream.h"

#include "base/crash.h"
#include "base/folder.h"
#include "base/limits.h"
#include "wire/frame.h"
#include "wire/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_COUNT_MAX 64

struct stream_file {
	char name[NAME_BYTES_MAX];
	uint64_t bytes;
};

struct stream_files {
	struct stream_file files[FILE_COUNT_MAX];
	size_t count;
};

static int file_compare(const void *a, const void *b)
{
	const struct stream_file *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static enum err files_list(int dir_fd, struct stream_files *files)
{
	DIR *dir = fdopendir(dir_fd);
	if (!dir) {
		(void)close(dir_fd);
		return ERR_IO;
	}
	enum err e = ERR_OK;
	struct dirent *entry;
	files->count = 0;
	while (!e && (entry = readdir(dir))) {
		struct stat stat;
		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &stat, 0) != 0 ||
		    !S_ISREG(stat.st_mode))
			continue;
		if (files->count == FILE_COUNT_MAX) {
			e = ERR_LIMIT;
			break;
		}
		struct stream_file *f = &files->files[files->count++];
		f->bytes = (uint64_t)stat.st_size;
		(void)snprintf(f->name, sizeof f->name, "%s", entry->d_name);
	}
	(void)closedir(dir);
	qsort(files->files, files->count, sizeof files->files[0], file_compare);
	return e ? e : files->count > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static enum err files_open(const char *path, struct stream_files *files)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	return files_list(fd, files);
}

enum err folder_stream_bytes(const char *dir, uint64_t *ret_bytes)
{
	struct stream_files files;
	enum err e = files_open(dir, &files);
	if (e)
		return e;
	*ret_bytes = 0;
	for (size_t i = 0; i < files.count; i++)
		*ret_bytes += files.files[i].bytes;
	return ERR_OK;
}

/* An empty file has one empty chunk. */
static uint64_t file_chunk_count(const struct stream_file *f)
{
	return f->bytes ? (f->bytes + CHUNK_BYTES_TARGET - 1) / CHUNK_BYTES_TARGET : 1;
}

/* Finds the file that chunk `seq` lies in, and its offset there. */
static const struct stream_file *chunk_find(const struct stream_files *files, uint64_t seq,
					    uint64_t *ret_offset)
{
	for (size_t i = 0; i < files->count; i++) {
		uint64_t count = file_chunk_count(&files->files[i]);
		if (seq < count) {
			*ret_offset = seq * CHUNK_BYTES_TARGET;
			return &files->files[i];
		}
		seq -= count;
	}
	return NULL;
}

static ssize_t file_read_at(const char *dir, const char *name, uint8_t *data, size_t bytes,
			    uint64_t offset)
{
	char path[4096];
	if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = pread(fd, data, bytes, (off_t)offset);
	(void)close(fd);
	return n;
}

static enum err chunk_send(const char *dir, const struct stream_files *files, uint64_t seq,
			   bool last, struct socket *socket, const struct peer_id *to,
			   const char *name)
{
	uint64_t offset;
	const struct stream_file *f = chunk_find(files, seq, &offset);
	if (!f)
		return ERR_NOT_FOUND;
	size_t bytes = f->bytes - offset < CHUNK_BYTES_TARGET ? (size_t)(f->bytes - offset)
							      : CHUNK_BYTES_TARGET;
	uint8_t *data = malloc(bytes + 1), *body = NULL;
	enum err e = data ? ERR_OK : ERR_NO_MEMORY;
	if (!e && file_read_at(dir, f->name, data, bytes, offset) != (ssize_t)bytes)
		e = ERR_IO;
	if (!e) {
		Freeal__FileChunk chunk = FREEAL__FILE_CHUNK__INIT;
		chunk.name = (char *)f->name;
		chunk.offset = offset;
		chunk.data = (ProtobufCBinaryData){.len = bytes, .data = data};
		chunk.last_of_file = offset + bytes == f->bytes;
		size_t body_bytes = freeal__file_chunk__get_packed_size(&chunk);
		body = malloc(body_bytes + 1);
		e = body ? ERR_OK : ERR_NO_MEMORY;
		if (!e) {
			(void)freeal__file_chunk__pack(&chunk, body);
			e = stream_chunk_send(socket, to, name, seq, seq + 1, last, body,
					      body_bytes);
		}
	}
	free(body);
	free(data);
	return e;
}

void folder_stream_answer(const char *folder, struct socket *socket, const struct peer_id *to,
			  const Freeal__ChunkRequest *request)
{
	struct stream_files files;
	uint64_t chunk_count = 0;
	if (files_open(folder, &files) == ERR_OK) {
		for (size_t i = 0; i < files.count; i++)
			chunk_count += file_chunk_count(&files.files[i]);
	}
	if (request->next_seq >= chunk_count) {
		stream_missing_send(socket, to, request->stream);
		return;
	}
	uint32_t credit = request->credit < STREAM_CREDIT ? request->credit : STREAM_CREDIT;
	for (uint64_t seq = request->next_seq; credit > 0 && seq < chunk_count; seq++, credit--) {
		/* What is not sent now is asked for again. */
		if (chunk_send(folder, &files, seq, seq + 1 == chunk_count, socket, to,
			       request->stream) != ERR_OK)
			return;
	}
}

/* --- the receiver --- */

struct folder_writer {
	char folder[PATH_MAX - 8], made[PATH_MAX];
	int fd; /* the file that is being written; -1: none */
	uint64_t offset;
};

static enum err writer_error(const struct folder_writer *w, struct err_msg *msg)
{
	return err_set(msg, errno == ENOSPC ? ERR_FULL : ERR_IO, "cannot write %s: %s", w->made,
		       strerror(errno));
}

enum err folder_writer_new(const char *folder, struct folder_writer **ret_writer,
			   struct err_msg *msg)
{
	struct folder_writer *w = calloc(1, sizeof *w);
	if (!w)
		return err_set(msg, ERR_NO_MEMORY, "no memory for %s", folder);
	w->fd = -1;
	enum err e = ERR_OK;
	if (snprintf(w->folder, sizeof w->folder, "%s", folder) >= (int)sizeof w->folder)
		e = err_set(msg, ERR_LIMIT, "%s: the path is too long", folder);
	(void)snprintf(w->made, sizeof w->made, "%s.new", w->folder);
	if (!e) {
		folder_delete(w->made);
		if (mkdir(w->made, 0700) != 0)
			e = writer_error(w, msg);
	}
	if (e) {
		free(w);
		return e;
	}
	*ret_writer = w;
	return ERR_OK;
}

static bool name_is_safe(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && !strchr(name, '/') &&
	       strlen(name) < NAME_BYTES_MAX;
}

static enum err file_begin(struct folder_writer *w, const char *name, struct err_msg *msg)
{
	char path[PATH_MAX + NAME_BYTES_MAX];
	(void)snprintf(path, sizeof path, "%s/%s", w->made, name);
	w->offset = 0;
	w->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return w->fd < 0 ? writer_error(w, msg) : ERR_OK;
}

static enum err file_end(struct folder_writer *w, struct err_msg *msg)
{
	bool good = fsync(w->fd) == 0;
	good = close(w->fd) == 0 && good;
	w->fd = -1;
	return good ? ERR_OK : writer_error(w, msg);
}

static enum err data_write(struct folder_writer *w, const ProtobufCBinaryData *data,
			   struct err_msg *msg)
{
	for (size_t done = 0; done < data->len;) {
		ssize_t n = write(w->fd, data->data + done, data->len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return writer_error(w, msg);
		done += (size_t)n;
	}
	/* What is to be on disk at the end goes there meanwhile, so that the end is short. */
	(void)sync_file_range(w->fd, (off_t)w->offset, (off_t)data->len, SYNC_FILE_RANGE_WRITE);
	w->offset += data->len;
	return ERR_OK;
}

enum err folder_writer_add(struct folder_writer *w, const ProtobufCBinaryData *body,
			   struct err_msg *msg)
{
	Freeal__FileChunk *chunk =
	    frame_message_unpack(&freeal__file_chunk__descriptor, body->data, body->len);
	enum err e = ERR_OK;
	if (!chunk || !name_is_safe(chunk->name) || chunk->offset != (w->fd < 0 ? 0 : w->offset))
		e = err_set(msg, ERR_PROTOCOL, "a chunk of %s is malformed", w->folder);
	if (!e && w->fd < 0)
		e = file_begin(w, chunk->name, msg);
	if (!e)
		e = data_write(w, &chunk->data, msg);
	crash_point("folder_chunk");
	if (!e && chunk->last_of_file)
		e = file_end(w, msg);
	frame_message_free(chunk);
	return e;
}

enum err folder_writer_publish(struct folder_writer *w, struct err_msg *msg)
{
	if (w->fd >= 0)
		return err_set(msg, ERR_PROTOCOL, "a file of %s is cut off", w->folder);
	return folder_replace(w->made, w->folder, msg);
}

void folder_writer_free(struct folder_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		(void)close(w->fd);
	folder_delete(w->made);
	free(w);
}
