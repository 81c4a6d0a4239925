/*
 * A finished project on disk for tests of the audit: its coordinator's store and its model, both
 * sound, and what writes single records of it, so that a test can break it.
 */
#ifndef FREEAL_TEST_AUDIT_PROJECT_H
#define FREEAL_TEST_AUDIT_PROJECT_H

#include "base/err.h"
#include "coordinator/tables.h"
#include "llm/key.h"
#include "proto/envelope.pb-c.h"
#include "proto/stream.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SAMPLES 4u
/* The project's API key, which is in the environment. */
#define SECRET "sk-audit-secret-123"

extern char project_dir[64];

/* For cmocka_unit_test_setup_teardown. */
int project_make(void **state);
int project_remove(void **state);
/* Runs `change` in a transaction of the store. */
void project_change(void (*change)(struct store_txn *));
/* The audit's lines; free them. */
char *project_audit(const char *acknowledged, enum err wanted, bool wanted_good);

ProtobufCBinaryData text_bytes(const char *text);
void record_put(struct store_txn *t, enum table table, struct store_key key,
		const ProtobufCMessage *m);
/* class_id -1: an unusable answer. */
void event_put(struct store_txn *t, uint64_t sample_no, uint32_t round, int class_id);
void change_put(struct store_txn *t, uint64_t change_no, uint64_t sample_no, int class_id);
void pool_put(struct store_txn *t, uint64_t version, const char *text, bool generated);
void selection_put(struct store_txn *t, uint64_t sample_no, float confidence);
/* Round 0 with `asked` samples; the phase `again` is in it twice where it is not NONE. */
void round_put(struct store_txn *t, uint64_t asked, Freeal__Phase again);
void state_put(struct store_txn *t, uint64_t sample_count, uint64_t change_count,
	       uint64_t pool_version);
void counters_put(struct store_txn *t, uint64_t requests);
/* `labels`: a JSON list. */
void model_write(const char *labels);
/* That of the kept reply of that number; the project has 0 and 1. */
struct key kept_key(uint32_t number);

#endif
