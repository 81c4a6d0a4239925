/*
 * Samples read from a CSV, TSV or JSONL file, one row at a time.
 *
 * A source checks what it hands out: valid non-empty UTF-8 within the limits,
 * the right number of columns, gold labels that are in the list, no id twice
 * with different texts. It never holds more than one record; per row it keeps
 * 16 bytes to recognise ids and contents it has seen.
 *
 * Columns are named, and then the first line of a CSV or TSV is its header, or
 * are all numbers from 0, and then there is no header. In JSONL they are keys.
 * TSV knows no quotes. Blank lines are skipped, but a blank line inside a file
 * of one column is an empty text. Any of them may be compressed with gzip.
 */
#ifndef FREEAL_TEXT_SOURCE_H
#define FREEAL_TEXT_SOURCE_H

#include "base/err.h"
#include "text/input.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

enum source_format {
	SOURCE_BY_NAME, /* .csv, .tsv, .jsonl or .ndjson, and .gz behind it */
	SOURCE_CSV,
	SOURCE_TSV,
	SOURCE_JSONL,
};

/* Names, or numbers from 0 as decimal text; NULL for a column that is not used. */
struct source_columns {
	const char *text; /* required */
	const char *id;
	const char *gold;
	const char *augmented;
};

/* Told of each bad row; `reason` starts with what is wrong, without file and line. */
typedef void source_reject_fn(void *context, uint64_t line, const char *reason);

struct source_options {
	struct source_columns columns;
	enum source_format format;
	enum input_mode mode;
	/* Label names in order, for the gold column; borrowed while the source lives. */
	const char *const *labels;
	size_t label_count;
	/* Gold and augmented columns that the file lacks are left out, not an error. */
	bool optional_missing;
	/* Where set, bad rows are reported and skipped; else the first one is an error. */
	source_reject_fn *reject;
	void *reject_context;
};

/* Everything is borrowed until the next source_next() or source_free(). */
struct source_row {
	uint64_t line;	  /* line its record begins at, from 1 */
	const char *text; /* NULL: there are no more rows. Followed by a NUL, may contain some */
	size_t text_size;
	const char *id; /* from its column, or the content's hash and "#n" from the second on */
	size_t id_size;
	int32_t gold;	       /* label number, or -1 where there is none */
	const char *augmented; /* NULL where there is none */
	size_t augmented_size;
};

struct source_counts {
	uint64_t rows;	     /* handed out */
	uint64_t duplicates; /* same id and same text: skipped */
	uint64_t rejected;   /* only with `reject` */
};

/*
 * Opens `path`, or standard input for "-" (which needs a format). ERR_INVALID
 * with a message where the file is missing, its format unknown, or a column is
 * not in its header (where that can be read without waiting, in the other modes).
 * The columns' strings are copied.
 */
WARN_UNUSED enum err source_open(const char *path, const struct source_options *options,
				 struct source **ret_source, struct err_msg *msg);
/* The same over bytes in memory, borrowed; `name` stands in messages. */
WARN_UNUSED enum err source_open_memory(const char *name, const void *data, size_t size,
					const struct source_options *options,
					struct source **ret_source, struct err_msg *msg);

/*
 * The next row, or a row whose text is NULL at the end. ERR_INVALID for a bad
 * row ("FILE:LINE: what, what to do") and, without `reject`, for a file without
 * any row. ERR_AGAIN where the mode says so: the next row is not there yet, or
 * not its whole line. After any other error the source is only good for
 * source_free().
 *
 * A followed file that is cut off or replaced is read from its start as another
 * source: with its header, its own line numbers and its own n-th occurrences.
 */
WARN_UNUSED enum err source_next(struct source *s, struct source_row *ret_row, struct err_msg *msg);

struct source_counts source_counts(const struct source *s);
/* To be polled after ERR_AGAIN; -1: only time tells. */
int source_fd(const struct source *s);
/* Its first bad row is an error. */
bool source_is_strict(const struct source *s);
/* Whether the file has the gold (augmented) column that was asked for. */
bool source_has_gold(const struct source *s);
bool source_has_augmented(const struct source *s);

void source_free(struct source *s);

/* By the name's end, a .gz left out; SOURCE_BY_NAME where it says nothing. */
enum source_format source_format_of(const char *path);
/* From "csv", "tsv", "jsonl"; SOURCE_BY_NAME for anything else. */
enum source_format source_format_parse(const char *name);

/*
 * The id of a text without one: 32 hex digits of its BLAKE2b hash, and "#n" for
 * its n-th occurrence where n > 1. Returns the length.
 */
size_t source_content_id(char ret_id[64], const char *text, size_t size, uint64_t occurrence);

#endif
