/* libs: wire proto base */
#include "wire/folder_stream.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct bench {
	char root[64], folder[96];
	struct folder_writer *writer;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	struct err_msg msg;
	strcpy(b->root, "/tmp/folder-stream-XXXXXX");
	if (!mkdtemp(b->root))
		return -1;
	snprintf(b->folder, sizeof b->folder, "%s/model", b->root);
	if (folder_writer_new(b->folder, &b->writer, &msg))
		return -1;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	char command[128];
	folder_writer_free(b->writer);
	snprintf(command, sizeof command, "rm -r %s", b->root);
	free(b);
	return system(command);
}

static enum err add(struct bench *b, const char *name, uint64_t offset, const char *text, bool last)
{
	uint8_t packed[512];
	struct err_msg msg;
	Freeal__FileChunk chunk = FREEAL__FILE_CHUNK__INIT;
	chunk.name = (char *)name;
	chunk.offset = offset;
	chunk.data = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
	chunk.last_of_file = last;
	ProtobufCBinaryData body = {freeal__file_chunk__pack(&chunk, packed), packed};
	return folder_writer_add(b->writer, &body, &msg);
}

static void file_check(struct bench *b, const char *name, const char *text)
{
	char path[160], found[64] = "";
	snprintf(path, sizeof path, "%s/%s", b->folder, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	size_t size = fread(found, 1, sizeof found - 1, f);
	fclose(f);
	assert_int_equal(size, strlen(text));
	assert_string_equal(found, text);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* The folder is there as a whole or as it was before. */
static void it_is_replaced_whole(void **state)
{
	struct bench *b = *state;
	struct err_msg msg;
	for (int turn = 0; turn < 3; turn++) {
		assert_int_equal(add(b, "a", 0, "one ", false), ERR_OK);
		assert_int_equal(add(b, "a", 4, "two", true), ERR_OK);
		assert_int_equal(add(b, turn ? "c" : "b", 0, "", true), ERR_OK);
		if (turn == 0)
			assert_false(exists(b->folder));
		assert_int_equal(folder_writer_publish(b->writer, &msg), ERR_OK);
		file_check(b, "a", "one two");
		file_check(b, turn ? "c" : "b", "");
		folder_writer_free(b->writer);
		assert_int_equal(folder_writer_new(b->folder, &b->writer, &msg), ERR_OK);
	}
	char path[160];
	snprintf(path, sizeof path, "%s/b", b->folder);
	assert_false(exists(path)); /* the first one's */
	/* One that is dropped leaves the other alone. */
	assert_int_equal(add(b, "a", 0, "broken", false), ERR_OK);
	assert_int_equal(folder_writer_publish(b->writer, &msg), ERR_PROTOCOL);
	folder_writer_free(b->writer);
	b->writer = NULL;
	file_check(b, "a", "one two");
	snprintf(path, sizeof path, "%s.new", b->folder);
	assert_false(exists(path));
}

static void bad_chunks_are_refused(void **state)
{
	struct bench *b = *state;
	assert_int_equal(add(b, "../a", 0, "x", true), ERR_PROTOCOL);
	assert_int_equal(add(b, ".a", 0, "x", true), ERR_PROTOCOL);
	assert_int_equal(add(b, "", 0, "x", true), ERR_PROTOCOL);
	assert_int_equal(add(b, "a", 1, "x", true), ERR_PROTOCOL);
	assert_int_equal(add(b, "a", 0, "x", false), ERR_OK);
	assert_int_equal(add(b, "a", 2, "x", true), ERR_PROTOCOL);
	ProtobufCBinaryData junk = {3, (uint8_t *)"\xff\xff\xff"};
	struct err_msg msg;
	assert_int_equal(folder_writer_add(b->writer, &junk, &msg), ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_is_replaced_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(bad_chunks_are_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
