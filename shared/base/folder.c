#include "base/folder.h"

#include "base/crash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum err io_error(struct err_msg *msg, const char *doing, const char *path)
{
	enum err e = errno == ENOSPC ? ERR_FULL : errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	return err_set(msg, e, "cannot %s %s: %s", doing, path, strerror(errno));
}

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

enum err folder_sync(const char *folder, struct err_msg *msg)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = fd >= 0 && fsync(fd) == 0;
	int saved = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = saved;
	return good ? ERR_OK : io_error(msg, "sync", folder);
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
		return io_error(msg, "replace", folder);
	crash_point("folder_renamed");
	e = folder_sync_parent(folder, msg);
	if (exchanged)
		folder_delete(made);
	return e;
}
