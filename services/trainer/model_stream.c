#include "trainer/model_stream.h"

#include "base/limits.h"
#include "wire/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_COUNT_MAX 64

struct model_file {
	char name[NAME_BYTES_MAX];
	uint64_t bytes;
};

struct model_files {
	struct model_file files[FILE_COUNT_MAX];
	size_t count;
};

static int file_compare(const void *a, const void *b)
{
	const struct model_file *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static enum err files_list(int dir_fd, struct model_files *files)
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
		struct model_file *f = &files->files[files->count++];
		f->bytes = (uint64_t)stat.st_size;
		(void)snprintf(f->name, sizeof f->name, "%s", entry->d_name);
	}
	(void)closedir(dir);
	qsort(files->files, files->count, sizeof files->files[0], file_compare);
	return e ? e : files->count > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static enum err files_open(const char *path, struct model_files *files)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	return files_list(fd, files);
}

enum err model_stream_bytes(const char *dir, uint64_t *ret_bytes)
{
	struct model_files files;
	enum err e = files_open(dir, &files);
	if (e)
		return e;
	*ret_bytes = 0;
	for (size_t i = 0; i < files.count; i++)
		*ret_bytes += files.files[i].bytes;
	return ERR_OK;
}

/* An empty file has one empty chunk. */
static uint64_t file_chunk_count(const struct model_file *f)
{
	return f->bytes ? (f->bytes + CHUNK_BYTES_TARGET - 1) / CHUNK_BYTES_TARGET : 1;
}

/* Finds the file that chunk `seq` lies in, and its offset there. */
static const struct model_file *chunk_find(const struct model_files *files, uint64_t seq,
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

static enum err chunk_send(const char *dir, const struct model_files *files, uint64_t seq,
			   bool last, struct socket *socket)
{
	uint64_t offset;
	const struct model_file *f = chunk_find(files, seq, &offset);
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
			e = stream_chunk_send(socket, NULL, MODEL_STREAM_NAME, seq, seq + 1, last,
					      body, body_bytes);
		}
	}
	free(body);
	free(data);
	return e;
}

void model_stream_answer(const char *dir, struct socket *socket,
			 const Freeal__ChunkRequest *request)
{
	struct model_files files;
	uint64_t chunk_count = 0;
	if (files_open(dir, &files) == ERR_OK) {
		for (size_t i = 0; i < files.count; i++)
			chunk_count += file_chunk_count(&files.files[i]);
	}
	if (request->next_seq >= chunk_count) {
		stream_missing_send(socket, NULL, MODEL_STREAM_NAME);
		return;
	}
	uint32_t credit = request->credit < STREAM_CREDIT ? request->credit : STREAM_CREDIT;
	for (uint64_t seq = request->next_seq; credit > 0 && seq < chunk_count; seq++, credit--) {
		/* What is not sent now is asked for again. */
		if (chunk_send(dir, &files, seq, seq + 1 == chunk_count, socket) != ERR_OK)
			return;
	}
}
