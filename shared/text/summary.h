/*
 * What is in an input file: its columns, how many rows, the values of columns
 * that have few. For writing a first task file; it guesses, sources don't.
 */
#ifndef FREEAL_TEXT_SUMMARY_H
#define FREEAL_TEXT_SUMMARY_H

#include "base/err.h"
#include "text/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUMMARY_ROWS_MAX 100000 /* rows looked at */
#define SUMMARY_VALUES_MAX 64	/* distinct values kept of a column */
#define SUMMARY_VALUE_BYTES_MAX 64

struct summary_column {
	char *name;	 /* from the header or a key; or its number from 0 */
	uint64_t filled; /* rows with a value */
	uint64_t bytes;	 /* of all values */
	char **values;	 /* distinct ones in the order they came; none where there are too many */
	size_t value_count;
	bool many_values; /* more, or longer ones, than are kept */
	char first[160];  /* the beginning of the first value */
};

struct source_summary {
	char *path;
	bool header; /* columns have names: by the first line, or by keys */
	struct summary_column *columns;
	size_t column_count;
	uint64_t rows;	/* looked at */
	bool truncated; /* there are more */
};

/* ERR_INVALID with a message for a file that can't be read. */
WARN_UNUSED enum err source_inspect(const char *path, enum source_format format,
				    struct source_summary **ret_summary, struct err_msg *msg);
void source_summary_free(struct source_summary *s);

/*
 * Guesses which columns are what; -1 for none. The text is the column named so
 * or the longest one; ids and augmented texts go by name alone; gold is a
 * column with few values, preferably named like a label.
 */
struct summary_guess {
	int text, id, gold, augmented;
};
struct summary_guess source_summary_guess(const struct source_summary *s);

#endif
