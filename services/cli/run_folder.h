/*
 * The run folder of a project: sockets, port and token of its running services.
 *
 * Socket paths end at 107 bytes, so it is a short folder of mode 0700 under
 * $XDG_RUNTIME_DIR or /tmp, and PROJECT/run is a symbolic link to it.
 */
#ifndef FREEAL_CLI_RUN_FOLDER_H
#define FREEAL_CLI_RUN_FOLDER_H

#include "base/err.h"
#include "cli/path.h"

/* Makes a new one. */
enum err run_folder_make(struct path *ret_folder, struct err_msg *msg) WARN_UNUSED;
/* Makes PROJECT/run point at it; what an earlier run left there is removed. */
enum err run_folder_record(const char *project, const char *folder,
			   struct err_msg *msg) WARN_UNUSED;
/* Removes the folder, and the link to it unless `project` is NULL. */
void run_folder_remove(const char *project, const char *folder);

/* "ipc://FOLDER/NAME". */
enum err run_folder_endpoint(const char *folder, const char *name, struct path *ret_endpoint,
			     struct err_msg *msg) WARN_UNUSED;

#endif
