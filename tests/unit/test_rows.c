/* libs: freeal-trainer-lib */
/* Tokenised texts in one piece, on teams of several sizes. */
#include "trainer/encoder/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAD, UNKNOWN, CLS, SEP, MASK, ONE, TWO, THREE };

static struct tokenizer *tokenizer;

static int make_tokenizer(void **state)
{
	(void)state;
	char folder[] = "/tmp/test_rows_XXXXXX", path[64];
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof path, "%s/vocab.txt", folder);
	FILE *f = fopen(path, "w");
	if (!f)
		return -1;
	(void)fputs("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\none\ntwo\nthree\n", f);
	(void)fclose(f);
	enum err err = tokenizer_load(folder, &tokenizer, NULL);
	(void)unlink(path);
	(void)rmdir(folder);
	return err ? -1 : 0;
}

static int free_tokenizer(void **state)
{
	(void)state;
	tokenizer_free(tokenizer);
	return 0;
}

static void check_ids(const struct rows *r, size_t row, const uint32_t *ids, size_t count)
{
	assert_int_equal(r->offsets[row + 1] - r->offsets[row], count);
	assert_memory_equal(r->ids + r->offsets[row], ids, count * sizeof *ids);
}

static void test_ids_and_offsets(void **state)
{
	(void)state;
	static const char *const texts[] = {"one two", NULL, "three", "one two three one", "zero"};
	static const size_t sizes[] = {7, 0, 5, 17, 4};
	for (size_t workers = 1; workers <= 7; workers += 2) {
		struct team *team;
		struct rows r;
		size_t cut;
		assert_int_equal(team_new(workers, &team), ERR_OK);
		assert_int_equal(rows_make(tokenizer, texts, sizes, 5, 5, team, &r, &cut, NULL),
				 ERR_OK);
		assert_int_equal(r.count, 5);
		assert_int_equal(r.offsets[0], 0);
		check_ids(&r, 0, (uint32_t[]){CLS, ONE, TWO, SEP}, 4);
		check_ids(&r, 1, NULL, 0);
		check_ids(&r, 2, (uint32_t[]){CLS, THREE, SEP}, 3);
		check_ids(&r, 3, (uint32_t[]){CLS, ONE, TWO, THREE, SEP}, 5);
		check_ids(&r, 4, (uint32_t[]){CLS, UNKNOWN, SEP}, 3);
		assert_int_equal(cut, 1);
		rows_done(&r);
		assert_null(r.ids);

		/* A text that just fits is whole. */
		assert_int_equal(rows_make(tokenizer, texts, sizes, 4, 6, team, &r, &cut, NULL),
				 ERR_OK);
		assert_int_equal(cut, 0);
		check_ids(&r, 3, (uint32_t[]){CLS, ONE, TWO, THREE, ONE, SEP}, 6);
		rows_done(&r);

		assert_int_equal(rows_make(tokenizer, texts, sizes, 0, 3, team, &r, NULL, NULL),
				 ERR_OK);
		assert_int_equal(r.count, 0);
		assert_int_equal(r.offsets[0], 0);
		rows_done(&r);
		team_free(team);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids_and_offsets),
	};
	return cmocka_run_group_tests(tests, make_tokenizer, free_tokenizer);
}
