/*
 * Paths: built with a ceiling, and the few things that are done to folders.
 */
#ifndef FREEAL_CLI_PATH_H
#define FREEAL_CLI_PATH_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>

struct path {
	char text[PATH_MAX];
};

/* ERR_LIMIT where it is too long. */
enum err path_set(struct path *ret_path, struct err_msg *msg, const char *fmt, ...)
    PRINTF_LIKE(3, 4) WARN_UNUSED;
/* A folder as a user gave it, without slashes at its end. */
enum err path_set_folder(struct path *ret_path, const char *folder,
			 struct err_msg *msg) WARN_UNUSED;

/* Makes a folder of this mode and those above it; those that are there are left as they are. */
enum err path_make_folder(const char *path, unsigned mode, struct err_msg *msg) WARN_UNUSED;
bool path_is_folder(const char *path);

/* Where a program of the project is: beside this one, else on PATH. ERR_NOT_FOUND. */
enum err path_program(const char *name, struct path *ret_path, struct err_msg *msg) WARN_UNUSED;

/* The project's folder: `project`, or OUT/.freeal, `out` being "out" where NULL. */
enum err path_project(const char *project, const char *out, struct path *ret_path,
		      struct err_msg *msg) WARN_UNUSED;

/* ERR_INVALID where there is no project: a project has a copy of its task file and the
 * coordinator's store. */
enum err path_check_project(const char *project, struct err_msg *msg) WARN_UNUSED;

#endif
