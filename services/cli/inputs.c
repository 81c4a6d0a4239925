#include "cli/inputs.h"

#include "cli/path.h"
#include "text/source.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What tells one state of a file from another. */
struct look {
	int64_t size, time_s, time_ns;
};

struct data_file {
	char *name;
	struct look now, taken; /* as the last scan saw it; as it was when it was taken */
	bool was_taken;
	bool settled; /* nobody writes to it */
};

struct inputs {
	char *folder;
	struct data_file *list; /* sorted by name */
	size_t count;
};

static bool look_equal(const struct look *a, const struct look *b)
{
	return a->size == b->size && a->time_s == b->time_s && a->time_ns == b->time_ns;
}

static void list_free(struct data_file *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].name);
	free(list);
}

struct inputs *inputs_new(const char *folder)
{
	struct inputs *i = calloc(1, sizeof *i);
	if (i)
		i->folder = strdup(folder);
	if (i && !i->folder) {
		free(i);
		return NULL;
	}
	return i;
}

void inputs_free(struct inputs *i)
{
	if (!i)
		return;
	list_free(i->list, i->count);
	free(i->folder);
	free(i);
}

size_t inputs_count(const struct inputs *i)
{
	return i->count;
}

static int file_compare(const void *a, const void *b)
{
	return strcmp(((const struct data_file *)a)->name, ((const struct data_file *)b)->name);
}

static struct data_file *file_find(const struct inputs *i, const char *name)
{
	const struct data_file key = {.name = (char *)name};
	if (i->count == 0)
		return NULL;
	return bsearch(&key, i->list, i->count, sizeof key, file_compare);
}

static bool name_is_data(const char *name)
{
	return name[0] != '.' && source_format_of(name) != SOURCE_BY_NAME;
}

/* Fills all but the name; false where it is no file that can be looked at. */
static bool file_look(const struct inputs *i, struct data_file *file, int64_t now_s)
{
	struct path path;
	struct stat st;
	if (path_set(&path, NULL, "%s/%s", i->folder, file->name))
		return false;
	if (stat(path.text, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	file->now = (struct look){
	    .size = st.st_size, .time_s = st.st_mtim.tv_sec, .time_ns = st.st_mtim.tv_nsec};
	const struct data_file *before = file_find(i, file->name);
	if (before) {
		file->taken = before->taken;
		file->was_taken = before->was_taken;
	}
	file->settled = (before && look_equal(&before->now, &file->now)) ||
			now_s - file->now.time_s >= INPUTS_SETTLE_S;
	return true;
}

static enum err list_fill(const struct inputs *i, DIR *folder, int64_t now_s,
			  struct data_file *list, size_t *count, struct err_msg *msg)
{
	const struct dirent *entry;
	while ((entry = readdir(folder))) {
		struct data_file file = {0};
		if (!name_is_data(entry->d_name))
			continue;
		if (*count == INPUTS_MAX)
			return err_set(msg, ERR_LIMIT, "%s has more than %d data files", i->folder,
				       INPUTS_MAX);
		file.name = strdup(entry->d_name);
		if (!file.name)
			return err_set(msg, ERR_NO_MEMORY, "no memory");
		if (file_look(i, &file, now_s))
			list[(*count)++] = file;
		else
			free(file.name);
	}
	return ERR_OK;
}

enum err inputs_scan(struct inputs *i, int64_t now_s, struct err_msg *msg)
{
	DIR *folder = opendir(i->folder);
	if (!folder)
		return err_set(msg, ERR_IO, "cannot read the folder %s: %s", i->folder,
			       strerror(errno));
	struct data_file *list = calloc(INPUTS_MAX, sizeof *list);
	size_t count = 0;
	enum err e = list ? list_fill(i, folder, now_s, list, &count, msg)
			  : err_set(msg, ERR_NO_MEMORY, "no memory");
	(void)closedir(folder);
	if (e) {
		list_free(list, count);
		return e;
	}
	qsort(list, count, sizeof *list, file_compare);
	list_free(i->list, i->count);
	i->list = list;
	i->count = count;
	return ERR_OK;
}

static bool file_is_taken(const struct data_file *file)
{
	return file->was_taken && look_equal(&file->taken, &file->now);
}

size_t inputs_left(const struct inputs *i)
{
	size_t left = 0;
	for (size_t n = 0; n < i->count; n++)
		left += !file_is_taken(&i->list[n]);
	return left;
}

const char *inputs_next(const struct inputs *i)
{
	for (size_t n = 0; n < i->count; n++) {
		const struct data_file *file = &i->list[n];
		if (file->settled && !file_is_taken(file))
			return file->name;
	}
	return NULL;
}

void inputs_take(struct inputs *i, const char *name)
{
	struct data_file *file = file_find(i, name);
	assert(file && file->settled);
	file->taken = file->now;
	file->was_taken = true;
}
