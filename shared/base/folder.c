#include "base/folder.h"

#include "base/crash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void folder_delete(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		(void)closedir(dir);
	(void)rmdir(folder);
}

enum err folder_path(const char *folder, const char *name, char *ret_path, struct err_msg *msg)
{
	if (snprintf(ret_path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return err_set(msg, ERR_LIMIT, "%s: the path is too long", folder);
	return ERR_OK;
}

enum err folder_begin(const char *folder, char *ret_made, struct err_msg *msg)
{
	if (snprintf(ret_made, PATH_MAX, "%s.new", folder) >= PATH_MAX)
		return err_set(msg, ERR_LIMIT, "%s: the path is too long", folder);
	folder_delete(ret_made);
	return mkdir(ret_made, 0777) ? err_set_errno(msg, "create", ret_made) : ERR_OK;
}

/* Closes the file, on disk if all is well so far. */
static enum err file_finish(FILE *file, bool good, const char *path, struct err_msg *msg)
{
	good = good && !fflush(file) && !fsync(fileno(file));
	int saved = errno;
	bool closed = !fclose(file);
	if (good && closed)
		return ERR_OK;
	if (!good)
		errno = saved;
	return err_set_errno(msg, "write", path);
}

enum err folder_file_write(const char *path, const struct folder_part *parts, size_t part_count,
			   struct err_msg *msg)
{
	FILE *file = fopen(path, "wbe");
	if (!file)
		return err_set_errno(msg, "create", path);
	bool good = true;
	for (size_t i = 0; good && i < part_count; i++)
		good = parts[i].size == 0 || fwrite(parts[i].data, parts[i].size, 1, file) == 1;
	return file_finish(file, good, path, msg);
}

enum err folder_file_copy(const char *from, const char *to, struct err_msg *msg)
{
	char block[65536];
	FILE *in = fopen(from, "rbe");
	if (!in)
		return err_set_errno(msg, "read", from);
	FILE *out = fopen(to, "wbe");
	if (!out) {
		enum err e = err_set_errno(msg, "create", to);
		(void)fclose(in);
		return e;
	}
	bool good = true;
	size_t size;
	while (good && (size = fread(block, 1, sizeof block, in)) > 0)
		good = fwrite(block, 1, size, out) == size;
	bool read = !ferror(in);
	(void)fclose(in);
	enum err e = file_finish(out, good, to, msg);
	return e || read ? e : err_set(msg, ERR_IO, "cannot read %s to its end", from);
}

enum err folder_sync(const char *folder, struct err_msg *msg)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;
	int saved = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return good ? ERR_OK : err_set_errno(msg, "sync", folder);
}

enum err folder_sync_parent(const char *path, struct err_msg *msg)
{
	char parent[PATH_MAX];
	if (snprintf(parent, sizeof parent, "%s", path) >= (int)sizeof parent)
		return err_set(msg, ERR_LIMIT, "%s: the path is too long", path);
	char *slash = strrchr(parent, '/');
	if (slash)
		slash[slash == parent] = '\0';
	return folder_sync(slash ? parent : ".", msg);
}

enum err folder_replace(const char *made, const char *folder, struct err_msg *msg)
{
	enum err e = folder_sync(made, msg);
	if (e)
		return e;
	crash_point("folder_before");
	bool exchanged = renameat2(AT_FDCWD, made, AT_FDCWD, folder, RENAME_EXCHANGE) == 0;
	if (!exchanged && errno != ENOENT) {
		/* A file system that can't exchange: the name is missing for a moment. */
		folder_delete(folder);
	}
	if (!exchanged && rename(made, folder) != 0)
		return err_set_errno(msg, "replace", folder);
	crash_point("folder_renamed");
	e = folder_sync_parent(folder, msg);
	if (exchanged)
		folder_delete(made);
	return e;
}
