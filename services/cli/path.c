#include "cli/path.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum err path_set(struct path *ret_path, struct err_msg *msg, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(ret_path->text, sizeof ret_path->text, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof ret_path->text)
		return err_set(msg, ERR_LIMIT, "a path is too long: %.200s ...", ret_path->text);
	return ERR_OK;
}

enum err path_set_folder(struct path *ret_path, const char *folder, struct err_msg *msg)
{
	size_t size = strlen(folder);
	while (size > 1 && folder[size - 1] == '/')
		size--;
	return path_set(ret_path, msg, "%.*s", (int)size, folder);
}

static enum err make_one(const char *path, unsigned mode, struct err_msg *msg)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return ERR_OK;
	return err_set(msg, errno == ENOTDIR ? ERR_INVALID : ERR_IO,
		       "cannot make the folder %s: %s", path, strerror(errno));
}

enum err path_make_folder(const char *path, unsigned mode, struct err_msg *msg)
{
	struct path p;
	enum err e = path_set(&p, msg, "%s", path);
	for (char *at = p.text + 1; !e && p.text[0] && (at = strchr(at, '/')); at++) {
		*at = '\0';
		e = make_one(p.text, 0777, msg);
		*at = '/';
	}
	if (!e)
		e = make_one(path, mode, msg);
	if (!e && !path_is_folder(path))
		e = err_set(msg, ERR_INVALID, "%s is not a folder", path);
	return e;
}

bool path_is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

enum err path_program(const char *name, struct path *ret_path, struct err_msg *msg)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n > 0) {
		self[n] = '\0';
		char *slash = strrchr(self, '/');
		if (slash) {
			*slash = '\0';
			if (!path_set(ret_path, NULL, "%s/%s", self, name) &&
			    access(ret_path->text, X_OK) == 0)
				return ERR_OK;
		}
	}
	const char *folders = getenv("PATH");
	for (const char *at = folders ? folders : ""; *at;) {
		int size = (int)strcspn(at, ":");
		if (size && !path_set(ret_path, NULL, "%.*s/%s", size, at, name) &&
		    access(ret_path->text, X_OK) == 0)
			return ERR_OK;
		at += size;
		at += *at == ':';
	}
	return err_set(msg, ERR_NOT_FOUND,
		       "the program %s is neither beside freeal nor on PATH; install it there",
		       name);
}

enum err path_project(const char *project, const char *out, struct path *ret_path,
		      struct err_msg *msg)
{
	struct path folder;
	if (project)
		return path_set_folder(ret_path, project, msg);
	enum err e = path_set_folder(&folder, out ? out : "out", msg);
	return e ? e : path_set(ret_path, msg, "%s/.freeal", folder.text);
}

enum err path_check_project(const char *project, struct err_msg *msg)
{
	struct path task, store;
	enum err e = path_set(&task, msg, "%s/task.yaml", project);
	if (!e)
		e = path_set(&store, msg, "%s/coordinator", project);
	if (!e && (access(task.text, F_OK) != 0 || !path_is_folder(store.text)))
		e = err_set(msg, ERR_INVALID,
			    "there is no project at %s; give its folder with --project, or the "
			    "output folder of its run with --out",
			    project);
	return e;
}
