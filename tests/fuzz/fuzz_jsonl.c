/* libs: text base */
/* JSON Lines, strict and going on after bad rows. */
#include "rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source_options options = {
	    .columns = {.text = "text", .id = "id", .gold = "label", .augmented = "augmented"},
	    .format = SOURCE_JSONL,
	};
	fuzz_rows(data, size, options, true);
	fuzz_rows(data, size, options, false);
	options.columns.id = NULL;
	fuzz_rows(data, size, options, false);
	return 0;
}
