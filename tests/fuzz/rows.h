/* Reads a source to its end and checks what it promises of every row. */
#ifndef FREEAL_TESTS_FUZZ_ROWS_H
#define FREEAL_TESTS_FUZZ_ROWS_H

#include "base/limits.h"
#include "text/source.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

static void fuzz_check(int holds)
{
	if (!holds)
		abort();
}

static void fuzz_reject(void *context, uint64_t line, const char *reason)
{
	uint64_t *count = context;
	fuzz_check(line > 0 && *reason);
	++*count;
}

static void fuzz_rows(const uint8_t *data, size_t size, struct source_options options, bool strict)
{
	static const char *const labels[] = {"negative", "positive"};
	uint64_t rejected = 0, rows = 0;
	options.labels = labels;
	options.label_count = 2;
	if (!strict) {
		options.reject = fuzz_reject;
		options.reject_context = &rejected;
	}
	struct source *s;
	struct source_row row;
	struct err_msg msg = {""};
	enum err err = source_open_memory("fuzz", data, size, &options, &s, &msg);
	if (err) {
		fuzz_check(err == ERR_INVALID || err == ERR_LIMIT);
		fuzz_check(msg.text[0] != '\0');
		return;
	}
	while (!(err = source_next(s, &row, &msg)) && row.text) {
		fuzz_check(row.text_size > 0 && row.text_size <= SAMPLE_BYTES_MAX);
		fuzz_check(utf8_is_valid(row.text, row.text_size));
		fuzz_check(row.text[row.text_size] == '\0');
		fuzz_check(row.id_size > 0 && row.id_size <= ID_BYTES_MAX);
		fuzz_check(utf8_is_valid(row.id, row.id_size));
		fuzz_check(row.gold >= -1 && row.gold < 2);
		fuzz_check(!row.augmented || utf8_is_valid(row.augmented, row.augmented_size));
		fuzz_check(row.line > 0);
		rows++;
	}
	if (err)
		fuzz_check((err == ERR_INVALID || err == ERR_LIMIT) && msg.text[0]);
	struct source_counts counts = source_counts(s);
	fuzz_check(counts.rows == rows && counts.rejected == rejected);
	source_free(s);
}

#endif
