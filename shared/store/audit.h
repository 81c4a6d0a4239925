/*
 * What an audit of a stopped store found: a line per invariant, "I1 ok (what was counted)"
 * or "I1 FAILED: what, where". The invariants:
 *
 *   I1   conservation: no sample is lost or there twice; finished ones have a label
 *   I2   durability: what was acknowledged is there and readable
 *   I3   single effect: one annotation per sample, round and slot; the change log fits
 *   I4   rounds: numbers only grow, each phase of a round ends once, inputs stay
 *   I7   no silent loss: the counters explain what is there
 *   I8   the model is whole and belongs to the project
 *   I10  no secret is stored or logged
 */
#ifndef FREEAL_STORE_AUDIT_H
#define FREEAL_STORE_AUDIT_H

#include "base/err.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define AUDIT_INVARIANT_MAX 10
#define AUDIT_SECRETS_MAX 16
#define AUDIT_SECRET_BYTES_MIN 8 /* shorter ones are found everywhere */

struct audit {
	struct audit_line {
		bool checked;
		uint64_t failures;
		char first[512];  /* failure */
		char counts[256]; /* what was looked at */
	} lines[AUDIT_INVARIANT_MAX + 1];
	const char *secrets[AUDIT_SECRETS_MAX]; /* borrowed */
	size_t secret_count;
};

void audit_init(struct audit *a);
/* The invariant was looked at; the text is what was counted, added to what is there. */
void audit_note(struct audit *a, int invariant, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* It is violated; the first text is kept, the others are counted. */
void audit_fail(struct audit *a, int invariant, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Prints the lines of what was checked; false where something failed. */
bool audit_print(const struct audit *a, FILE *out);

/* A word that must be nowhere; too short ones, NULL and those over the limit are left out. */
void audit_secret_add(struct audit *a, const char *secret);
/* I10 over some bytes of `where`. */
void audit_secrets_find(struct audit *a, const void *data, size_t size, const char *where);
/* I10 over a file; one that isn't there has none. */
void audit_secrets_find_file(struct audit *a, const char *path);

/* I2 and I10 over every record of every table, and counts them. `tables` name them in messages.
 * An error means that the rest can't be looked at. */
enum err audit_records(struct audit *a, struct store_txn *t, const char *const *tables,
		       unsigned table_count) WARN_UNUSED;

/* Reading a damaged file through a map can kill the process: from now on it says so on standard
 * error ("PROGRAM: DIR ... is damaged") and exits with the code for storage. */
void audit_guard(const char *program, const char *dir);

/* What a message calls a key: "17/0", or a name's text. `size` is at least 64. */
const char *audit_key(const struct store_value *key, char *text, size_t size);

#endif
