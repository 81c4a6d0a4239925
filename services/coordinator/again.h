/*
 * Which samples the last SELECT wants asked again: a bit each, gathered while its rows are
 * pulled. Stored as one record, so that a restart needn't read all the rows.
 */
#ifndef FREEAL_COORDINATOR_AGAIN_H
#define FREEAL_COORDINATOR_AGAIN_H

#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct again;

/* Nobody of `count` samples. NULL: no memory. */
struct again *again_new(uint64_t count);
void again_free(struct again *a);
void again_add(struct again *a, uint64_t sample_no);
/* False also for samples that it doesn't know. */
bool again_has(const struct again *a, uint64_t sample_no);

/* Takes the place of what was stored before. */
enum err again_put(const struct again *a, struct store_txn *t) WARN_UNUSED;
/* ERR_NOT_FOUND: there was no SELECT yet. */
enum err again_get(struct store_txn *t, struct again **ret_again) WARN_UNUSED;

#endif
