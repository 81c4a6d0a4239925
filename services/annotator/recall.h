/*
 * Questions that wait to hear from the coordinator whether a reply to them is kept. They are asked
 * in batches, one at a time, in the order in which they came: a question waits for one round trip,
 * or two where a batch is under way. Pure but for recall_pump.
 */
#ifndef FREEAL_ANNOTATOR_RECALL_H
#define FREEAL_ANNOTATOR_RECALL_H

#include "base/err.h"
#include "llm/key.h"
#include "wire/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recall_entry;

/* Zeroed is empty. */
struct recall {
	struct recall_entry *out, *waiting; /* the batch under way; those behind it */
	struct recall_entry **out_tail, **waiting_tail;
	uint32_t count;
	uint64_t again_ms; /* the batch is asked again then: the answer may be lost */
};

/* Told what is known of a question: `body` is NULL where no reply is kept. It may push others. */
typedef void recall_fn(void *context, void *cookie, const void *body, size_t size);

WARN_UNUSED enum err recall_push(struct recall *r, const struct key *key, void *cookie);
/* Forgets a question. False: it does not wait. */
bool recall_remove(struct recall *r, const void *cookie);
/* A cookie that waits and that `is` it; NULL: none. `is` NULL: any. */
void *recall_find(const struct recall *r, bool (*is)(const void *cookie, const void *what),
		  const void *what);
void recall_done(struct recall *r);

/* The keys to ask for now, borrowed until the next call: none while a batch is under way. */
size_t recall_batch(struct recall *r, uint64_t now_ms, ProtobufCBinaryData *ret_keys);
/* The coordinator's answer. It may be short: what is missing at its end is asked again. One that
 * does not fit, such as one that came twice, is passed over. */
void recall_take(struct recall *r, const Freeal__Recalled *recalled, recall_fn *known,
		 void *context);
/* Another connection: the batch under way is asked again. */
void recall_again(struct recall *r);

/* Sends a batch, where there is one to send. Returns when it wants to be called next. */
uint64_t recall_pump(struct recall *r, struct worker *w, uint64_t now_ms);

#endif
