/*
 * A consistent copy of the store, streamed while the service runs. A thread writes it into a
 * pipe; whoever reads slowly slows it down, and until it ends the store keeps the pages that
 * are freed meanwhile, so that the file may grow by what is written in that time.
 */
#ifndef FREEAL_COORDINATOR_BACKUP_H
#define FREEAL_COORDINATOR_BACKUP_H

#include "base/err.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct backup;

/* `running` (of the caller, who outlives the copy) lets one be made at a time: ERR_AGAIN where
 * it is set. The store must not be closed before backup_free. */
enum err backup_new(struct store *store, atomic_bool *running,
		    struct backup **ret_backup) WARN_UNUSED;
/* Some more bytes of data.mdb, at least one; 0: it is complete; -1: the copy failed. Blocks. */
ssize_t backup_read(struct backup *b, char *to, size_t size);
/* Ends the copy, wherever it is. */
void backup_free(struct backup *b);

#endif
