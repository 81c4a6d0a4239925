/*
 * Services as child processes: started, restarted when they crash, stopped.
 *
 * A child that ends is started again after a pause that doubles, at most
 * CHILD_RESTARTS_MAX times within a minute. One that ends with an exit code that
 * says a person has to do something (wrong use, in use, storage, version) is not;
 * except that "in use" is tried again for the first seconds, because the process
 * of an earlier run may still be on its way out. Children die with this process.
 */
#ifndef FREEAL_CLI_CHILDREN_H
#define FREEAL_CLI_CHILDREN_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHILDREN_MAX 64
#define CHILD_ARGUMENTS_MAX 32
#define CHILD_RESTARTS_MAX 5

struct children;

struct child_spec {
	const char *name;	 /* of its log file, "annotator-2" */
	const char *const *argv; /* program's path, arguments, NULL; copied */
	const char *remove;	 /* a file to remove before each start, or NULL; copied */
	bool once;		 /* never restarted: its end is a failure */
};

/* Logs go to LOG_FOLDER/NAME.log, appended. */
enum err children_new(const char *log_folder, struct children **ret_children) WARN_UNUSED;
enum err children_start(struct children *c, const struct child_spec *spec, uint64_t now_ms,
			struct err_msg *msg) WARN_UNUSED;
/* Sees who ended and restarts who is due. An error means that the whole can't go on:
 * the message is the child's last words, the code says what its exit code did. */
enum err children_tick(struct children *c, uint64_t now_ms, struct err_msg *msg) WARN_UNUSED;
/* SIGTERM to all, SIGKILL to those that are still there after 10 s; then forgets them. */
void children_stop(struct children *c);
/* Stops them first. */
void children_free(struct children *c);

/* The last line of `log` from `offset` on that begins with "PROGRAM: ", without that;
 * else the last line that is not empty. Returns false where there is none. */
bool children_last_words(const char *log, int64_t offset, const char *program, char *ret_words,
			 size_t size);

#endif
