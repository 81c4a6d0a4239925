/*
 * Folders of plain files that are made beside their place and put there whole: a folder
 * under its final name is complete, whenever the process or the machine stops.
 */
#ifndef FREEAL_BASE_FOLDER_H
#define FREEAL_BASE_FOLDER_H

#include "base/err.h"

#include <stddef.h>

/* FOLDER/NAME, at most PATH_MAX bytes. */
enum err folder_path(const char *folder, const char *name, char *ret_path,
		     struct err_msg *msg) WARN_UNUSED;

/* Makes an empty FOLDER.new, to be filled and put in place; what was left there is removed.
 * `ret_made` has room for PATH_MAX bytes. */
enum err folder_begin(const char *folder, char *ret_made, struct err_msg *msg) WARN_UNUSED;

struct folder_part {
	const void *data;
	size_t size;
};

/* A new file of the parts, one behind the other, which is on disk on ERR_OK. */
enum err folder_file_write(const char *path, const struct folder_part *parts, size_t part_count,
			   struct err_msg *msg) WARN_UNUSED;
/* The same with another file's bytes. ERR_NOT_FOUND: there is no `from`. */
enum err folder_file_copy(const char *from, const char *to, struct err_msg *msg) WARN_UNUSED;

/* Removes the folder and the files in it, as far as it can; no folders inside. Missing is fine. */
void folder_delete(const char *folder);

/* Makes what was created, renamed or removed in the folder durable. */
enum err folder_sync(const char *folder, struct err_msg *msg) WARN_UNUSED;

/* The same for the folder that `path` is in: its name there is on disk. */
enum err folder_sync_parent(const char *path, struct err_msg *msg) WARN_UNUSED;

/* Puts `made`, whose files are on disk, in the place of `folder` and removes what was
 * there. Durable on ERR_OK. */
enum err folder_replace(const char *made, const char *folder, struct err_msg *msg) WARN_UNUSED;

#endif
