/*
 * Folders of plain files that are made beside their place and put there whole: a folder
 * under its final name is complete, whenever the process or the machine stops.
 */
#ifndef FREEAL_BASE_FOLDER_H
#define FREEAL_BASE_FOLDER_H

#include "base/err.h"

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
