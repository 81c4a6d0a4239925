/* libs: text base */
/* CSV and TSV, with names and with numbers, strict and going on after bad rows. */
#include "rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source_options named = {
	    .columns = {.text = "text", .id = "id", .gold = "label", .augmented = "augmented"},
	    .format = SOURCE_CSV,
	    .optional_missing = true,
	};
	struct source_options numbered = {
	    .columns = {.text = "1", .gold = "0"},
	    .format = SOURCE_CSV,
	};
	for (int tabs = 0; tabs <= 1; tabs++) {
		fuzz_rows(data, size, named, true);
		fuzz_rows(data, size, named, false);
		fuzz_rows(data, size, numbered, true);
		fuzz_rows(data, size, numbered, false);
		named.format = numbered.format = SOURCE_TSV;
	}
	return 0;
}
