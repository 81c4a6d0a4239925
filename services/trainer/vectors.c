#include "trainer/vectors.h"

#include "base/folder.h"
#include "base/rng.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In front of a file's rows; little-endian, as every machine this is built for. */
struct head {
	char magic[8];
	uint64_t key;
	uint32_t dimensions, rows;
	uint64_t checksum; /* of the rows */
};

static_assert(sizeof(struct head) == 32, "no padding in the file");
static const char MAGIC[8] = "FREEALVC";

uint64_t vectors_key(uint64_t seed, const char *checkpoint)
{
	static const char *const files[] = {"config.json", "model.safetensors", "tokenizer.json",
					    "vocab.txt", "vocab.json"};
	uint64_t key = hash_bytes(seed, checkpoint, strlen(checkpoint));
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char path[PATH_MAX];
		struct stat info;
		struct err_msg msg;
		if (folder_path(checkpoint, files[i], path, &msg) || stat(path, &info) != 0)
			continue;
		key = hash_mix(key, i);
		key = hash_mix(key, (uint64_t)info.st_size);
		key = hash_mix(key, (uint64_t)info.st_mtim.tv_sec);
		key = hash_mix(key, (uint64_t)info.st_mtim.tv_nsec);
	}
	return key;
}

static enum err file_path(const struct vectors *v, uint64_t block, char *ret_path,
			  struct err_msg *msg)
{
	char name[32];
	(void)snprintf(name, sizeof name, "%llu", (unsigned long long)block);
	return folder_path(v->folder, name, ret_path, msg);
}

size_t vectors_load(const struct vectors *v, uint64_t block, float *ret_rows)
{
	char path[PATH_MAX];
	struct err_msg msg;
	struct head head;
	size_t rows = 0, row_bytes = v->dimensions * sizeof *ret_rows;
	FILE *file = file_path(v, block, path, &msg) ? NULL : fopen(path, "rbe");
	if (!file)
		return 0;
	if (fread(&head, sizeof head, 1, file) == 1 &&
	    memcmp(head.magic, MAGIC, sizeof MAGIC) == 0 && head.key == v->key &&
	    head.dimensions == v->dimensions && head.rows <= VECTORS_PER_FILE &&
	    fread(ret_rows, row_bytes, head.rows, file) == head.rows &&
	    hash_bytes(head.key, ret_rows, head.rows * row_bytes) == head.checksum)
		rows = head.rows;
	(void)fclose(file);
	return rows;
}

enum err vectors_save(const struct vectors *v, uint64_t block, const float *rows, size_t count,
		      struct err_msg *msg)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	assert(count <= VECTORS_PER_FILE);
	if (mkdir(v->folder, 0700) != 0 && errno != EEXIST)
		return err_set_errno(msg, "make", v->folder);
	enum err e = file_path(v, block, path, msg);
	if (!e)
		e = folder_path(v->folder, "new", fresh, msg);
	if (e)
		return e;
	size_t bytes = count * v->dimensions * sizeof *rows;
	struct head head = {.key = v->key,
			    .dimensions = v->dimensions,
			    .rows = (uint32_t)count,
			    .checksum = hash_bytes(v->key, rows, bytes)};
	memcpy(head.magic, MAGIC, sizeof MAGIC);
	FILE *file = fopen(fresh, "wbe");
	if (!file)
		return err_set_errno(msg, "create", fresh);
	bool good = fwrite(&head, sizeof head, 1, file) == 1 &&
		    (bytes == 0 || fwrite(rows, bytes, 1, file) == 1);
	good = fclose(file) == 0 && good;
	if (!good || rename(fresh, path) != 0)
		return err_set_errno(msg, "write", path);
	return ERR_OK;
}
