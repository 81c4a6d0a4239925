#include "cli/run_folder.h"

#include "base/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define FOLDER_PREFIX "freeal-"
/* The longest name of a socket in it, with its slash. */
#define SOCKET_NAME_BYTES 16

static bool folder_try(const char *base, struct path *ret_folder)
{
	if (!base || base[0] != '/')
		return false;
	if (path_set(ret_folder, NULL, "%s/" FOLDER_PREFIX "XXXXXX", base))
		return false;
	if (strlen(ret_folder->text) + SOCKET_NAME_BYTES >=
	    sizeof((struct sockaddr_un *)0)->sun_path)
		return false;
	return mkdtemp(ret_folder->text) != NULL;
}

enum err run_folder_make(struct path *ret_folder, struct err_msg *msg)
{
	if (folder_try(getenv("XDG_RUNTIME_DIR"), ret_folder) || folder_try("/tmp", ret_folder))
		return ERR_OK;
	return err_set(msg, ERR_IO, "cannot make a run folder in /tmp: %s", strerror(errno));
}

/* Removes what a link left by an earlier run points at, if it is such a folder. */
static void folder_remove_old(const char *link)
{
	char old[PATH_MAX];
	ssize_t n = readlink(link, old, sizeof old - 1);
	if (n <= 0)
		return;
	old[n] = '\0';
	const char *slash = strrchr(old, '/');
	if (slash && strncmp(slash + 1, FOLDER_PREFIX, strlen(FOLDER_PREFIX)) == 0)
		folder_delete(old);
}

enum err run_folder_record(const char *project, const char *folder, struct err_msg *msg)
{
	struct path link;
	enum err e = path_set(&link, msg, "%s/run", project);
	if (e)
		return e;
	folder_remove_old(link.text);
	if (unlink(link.text) != 0 && errno != ENOENT)
		return err_set(msg, ERR_IO, "cannot remove %s: %s", link.text, strerror(errno));
	if (symlink(folder, link.text) != 0)
		return err_set(msg, ERR_IO, "cannot make %s: %s", link.text, strerror(errno));
	return ERR_OK;
}

void run_folder_remove(const char *project, const char *folder)
{
	folder_delete(folder);
	struct path link;
	char now[PATH_MAX];
	if (!project || path_set(&link, NULL, "%s/run", project))
		return;
	ssize_t n = readlink(link.text, now, sizeof now - 1);
	if (n > 0 && (size_t)n == strlen(folder) && memcmp(now, folder, (size_t)n) == 0)
		(void)unlink(link.text);
}

enum err run_folder_endpoint(const char *folder, const char *name, struct path *ret_endpoint,
			     struct err_msg *msg)
{
	return path_set(ret_endpoint, msg, "ipc://%s/%s", folder, name);
}
