/*
 * A pull parser for CSV (RFC 4180) and TSV.
 *
 * CSV: fields may be quoted, a quote inside is doubled, a quoted field may
 * contain line ends. Lines end in LF or CRLF; the last one may lack it. A quote
 * inside an unquoted field stands for itself. TSV: fields are what stands
 * between tabs, quotes have no meaning.
 *
 * After an error the parser stands at the line after the one where the bad
 * record began, so that a caller may go on.
 */
#ifndef FREEAL_TEXT_CSV_H
#define FREEAL_TEXT_CSV_H

#include "base/err.h"
#include "text/input.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csv;

struct csv_field {
	const char *data; /* followed by a NUL; may contain some */
	size_t size;
};

/* Borrowed until the next csv_next() or csv_free(). */
struct csv_record {
	uint64_t line;			/* where it begins, from 1 */
	const struct csv_field *fields; /* a blank line has one field of size 0 */
	size_t field_count;		/* 0: the end */
	bool blank;			/* nothing between two line ends */
};

struct csv_options {
	char separator; /* 0: a comma */
	bool quotes;
	size_t record_bytes_max; /* ceiling of one record, line ends included */
};

/* The input is borrowed. ERR_NO_MEMORY. */
WARN_UNUSED enum err csv_new(struct input *input, const struct csv_options *options,
			     struct csv **ret_csv);
void csv_free(struct csv *c);

/*
 * ERR_INVALID: an unterminated quote, or text after a closing one; ERR_LIMIT:
 * record over its ceiling or too many fields. *ret_line is set in either case,
 * to the line the record (for a quote: the quoted field) begins at, and the
 * message says what is wrong without naming file or line. ERR_AGAIN and
 * ERR_CANCELLED as the input gives them; after ERR_AGAIN the same call goes on.
 */
WARN_UNUSED enum err csv_next(struct csv *c, struct csv_record *ret_record, uint64_t *ret_line,
			      struct err_msg *msg);
/* Nothing but line ends is left. ERR_AGAIN: so far. */
WARN_UNUSED enum err csv_rest_is_blank(struct csv *c, bool *ret_blank);

#endif
