/*
 * Inside of a source, shared by source.c (opening) and source_row.c (rows).
 */
#ifndef FREEAL_TEXT_SOURCE_IMPL_H
#define FREEAL_TEXT_SOURCE_IMPL_H

#include "base/buf.h"
#include "text/csv.h"
#include "text/jsonl.h"
#include "text/seen.h"
#include "text/source.h"

#include <sodium.h>

enum source_column {
	COLUMN_TEXT,
	COLUMN_ID,
	COLUMN_GOLD,
	COLUMN_AUGMENTED,
	COLUMN_COUNT,
};

struct source {
	char *name; /* for messages */
	struct input *input;
	enum source_format format;
	struct source_options options;
	char *columns[COLUMN_COUNT]; /* as asked for; NULL: not used */
	size_t fields[COLUMN_COUNT]; /* their numbers in a CSV or TSV */
	bool present[COLUMN_COUNT];  /* the file has it */
	bool numbered;		     /* columns are numbers: no header */
	bool header_due;	     /* it has not been read yet */
	bool ended;		     /* the file has; another may follow */
	uint64_t blank_line;	     /* one of a file of one column, until it's known what it is */
	size_t field_count;	     /* of every record; 0: not known yet */
	struct csv *csv;
	struct jsonl *jsonl;
	struct seen labels; /* hash of a label's name, and of its folded name → number + 1 */
	struct buf folded;
	struct seen seen; /* hash of an id → hash of its text; of a content → occurrences */
	unsigned char key[crypto_shorthash_KEYBYTES];
	char id[64];			/* of a row without one */
	char numbers[COLUMN_COUNT][32]; /* JSON integers as text */
	struct source_counts counts;
};

/* 64-bit hash under the source's own random key. */
uint64_t source_hash(const struct source *s, const char *data, size_t size);
/*
 * Begins the next file where this one has ended, and reads the header where that is due.
 * *ret_end: there is no more.
 */
WARN_UNUSED enum err source_prepare(struct source *s, bool *ret_end, struct err_msg *msg);

#endif
