/*
 * The data files of a folder, and which of them are new or have changed.
 *
 * Data files are what source_format_of() knows by name (*.csv, *.tsv, *.jsonl, also as .gz), in
 * the folder itself, sorted by name; hidden ones are left out. A file that may still be
 * written to is not handed out: it has to look the same in two scans, or to have been left
 * alone for INPUTS_SETTLE_S seconds.
 */
#ifndef FREEAL_CLI_INPUTS_H
#define FREEAL_CLI_INPUTS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define INPUTS_MAX 10000
#define INPUTS_SETTLE_S 5

struct inputs;

/* NULL: no memory. */
struct inputs *inputs_new(const char *folder);
void inputs_free(struct inputs *i);

/* Looks into the folder. `now_s` is the wall clock, which files' times are compared with.
 * ERR_IO where the folder can't be read, ERR_LIMIT where it has more than INPUTS_MAX. */
enum err inputs_scan(struct inputs *i, int64_t now_s, struct err_msg *msg) WARN_UNUSED;
/* The first file that has not been taken as it is now; NULL: none. Valid until the next scan. */
const char *inputs_next(const struct inputs *i);
/* The file that inputs_next() has handed out was read: it comes again only when it changes. */
void inputs_take(struct inputs *i, const char *name);
/* Files that the last scan saw, and those of them that have not been taken as they are now. */
size_t inputs_count(const struct inputs *i);
size_t inputs_left(const struct inputs *i);

#endif
