/* libs: text base z */
/* Where rows come from: gzip in all its forms, and files that grow, are cut or replaced. */
#include "base/limits.h"
#include "text/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define OUT_BYTES 20000

static char folder[64], path[96];

static int folder_make(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/freeal-input-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/in.csv", folder);
	return 0;
}

static int folder_remove(void **state)
{
	(void)state;
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static void file_write(const char *mode, const void *data, size_t size)
{
	FILE *f = fopen(path, mode);
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static void file_add(const char *text)
{
	file_write("a", text, strlen(text));
}

/* One gzip member. */
static size_t member(unsigned char *to, size_t size_max, const void *data, size_t size)
{
	z_stream z = {.next_in = (void *)(uintptr_t)data, .avail_in = (uInt)size};
	z.next_out = to;
	z.avail_out = (uInt)size_max;
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
	return size_max - z.avail_out;
}

static void reject(void *context, uint64_t line, const char *reason)
{
	char *out = context;
	sprintf(out + strlen(out), "%llu!%.12s!", (unsigned long long)line, reason);
}

static struct source_options options_make(enum source_format format, enum input_mode mode,
					  char *out)
{
	return (struct source_options){.columns = {.text = "text"},
				       .format = format,
				       .mode = mode,
				       .reject = reject,
				       .reject_context = out};
}

/* Adds what can be read now as "LINE[text]", "LINE[text]#n" from the n-th occurrence on. */
static enum err rows_read(struct source *s, char *out, struct err_msg *msg)
{
	struct source_row row;
	enum err e;
	while (!(e = source_next(s, &row, msg)) && row.text)
		sprintf(out + strlen(out), "%llu[%.20s]%s", (unsigned long long)row.line, row.text,
			row.id_size > 32 ? row.id + 32 : "");
	return e;
}

static void check_rows(struct source *s, char *out, enum err end, const char *expected)
{
	struct err_msg msg;
	out[0] = '\0';
	assert_int_equal(rows_read(s, out, &msg), end);
	assert_string_equal(out, expected);
}

/* Everything in a file of these bytes, then the error's message. */
static enum err read_all(const void *data, size_t size, char *out)
{
	struct source_options options = options_make(SOURCE_CSV, INPUT_WAIT, out);
	struct source *s;
	struct err_msg msg = {""};
	out[0] = '\0';
	enum err e = source_open_memory("f", data, size, &options, &s, &msg);
	if (!e) {
		e = rows_read(s, out, &msg);
		source_free(s);
	}
	if (e)
		strcat(out, msg.text);
	return e;
}

static void gzip_is_told_by_its_bytes(void **state)
{
	(void)state;
	const char *text = "text\na\nb\n";
	unsigned char data[200];
	char out[OUT_BYTES];
	size_t size = member(data, sizeof data, text, strlen(text));
	assert_int_equal(read_all(data, size, out), ERR_OK);
	assert_string_equal(out, "2[a]3[b]");
	/* Any name that ends in a format's, and .gz behind it. */
	assert_int_equal(source_format_of("x.csv.gz"), SOURCE_CSV);
	assert_int_equal(source_format_of("x.tar.jsonl.gz"), SOURCE_JSONL);
	assert_int_equal(source_format_of("x.gz"), SOURCE_BY_NAME);
	assert_int_equal(source_format_of(".gz"), SOURCE_BY_NAME);
	assert_int_equal(source_format_of("csv"), SOURCE_BY_NAME);
	/* The first byte alone is text. */
	assert_int_equal(read_all("\x1f", 1, out), ERR_INVALID);
}

static void gzip_members_are_one_text(void **state)
{
	(void)state;
	unsigned char data[600];
	char out[OUT_BYTES];
	size_t size = member(data, sizeof data, "text\na\nb", 8);
	size += member(data + size, sizeof data - size, "", 0);
	size += member(data + size, sizeof data - size, "b\nc\n", 4);
	assert_int_equal(read_all(data, size, out), ERR_OK);
	assert_string_equal(out, "2[a]3[bb]4[c]");
	memset(data + size, 0, 100);
	assert_int_equal(read_all(data, size + 100, out), ERR_OK);
	assert_string_equal(out, "2[a]3[bb]4[c]");
	data[size + 10] = 'x';
	assert_int_equal(read_all(data, size + 100, out), ERR_INVALID);
	assert_non_null(strstr(out, "2[a]3[bb]4[c]f:5: there is something else behind the "
				    "compressed data"));
}

/* Cut at every length: a prefix of the rows, then an error that says so. */
static void a_gzip_that_ends_early_is_told(void **state)
{
	(void)state;
	char text[4000] = "text\n", out[OUT_BYTES];
	for (int i = 0; i < 300; i++)
		sprintf(text + strlen(text), "%d\n", i * i * 7919);
	unsigned char data[4000];
	size_t size = member(data, sizeof data, text, strlen(text));
	assert_int_equal(read_all(data, size, out), ERR_OK);
	for (size_t cut = 2; cut < size; cut++) {
		assert_int_equal(read_all(data, cut, out), ERR_INVALID);
		assert_non_null(strstr(out, "the compressed data ends early; the file is not "
					    "whole"));
	}
	assert_non_null(strstr(out, "2[0]3[7919]"));
}

/* A flipped byte anywhere: an error or, in the header's flags, the same rows. */
static void a_damaged_gzip_is_told(void **state)
{
	(void)state;
	char out[OUT_BYTES], whole[OUT_BYTES];
	const char *text = "text\nalpha\nbeta\ngamma\ndelta\nalpha beta\ngamma delta\n";
	unsigned char data[300];
	size_t size = member(data, sizeof data, text, strlen(text));
	assert_int_equal(read_all(data, size, whole), ERR_OK);
	for (size_t i = 2; i < size; i++) {
		data[i] ^= 0x55;
		enum err e = read_all(data, size, out);
		assert_true(e == ERR_INVALID || (i < 10 && strcmp(out, whole) == 0));
		if (i >= size - 8)
			assert_non_null(strstr(out, "the compressed data is damaged"));
		data[i] ^= 0x55;
	}
}

/* A record of 64 MiB out of 64 KiB: refused as too large, and what follows is read. */
static void a_gzip_bomb_is_a_bad_row(void **state)
{
	(void)state;
	size_t size = 64u << 20, space = 1u << 20;
	char *text = malloc(size), out[OUT_BYTES];
	unsigned char *data = malloc(space);
	memset(text, 'x', size);
	memcpy(text, "text\n", 5);
	memcpy(text + size - 3, "\ny\n", 3);
	size = member(data, space, text, size);
	assert_int_equal(read_all(data, size, out), ERR_OK);
	assert_string_equal(out, "2!a record of !3[y]");
	free(text);
	free(data);
}

static void a_followed_file_grows(void **state)
{
	(void)state;
	char out[OUT_BYTES] = "";
	struct source_options options = options_make(SOURCE_CSV, INPUT_FOLLOW, out);
	struct source *s;
	struct err_msg msg;
	file_write("w", "", 0);
	assert_int_equal(source_open(path, &options, &s, &msg), ERR_OK);
	assert_int_equal(source_fd(s), -1);
	check_rows(s, out, ERR_AGAIN, "");
	/* A byte order mark and a header in pieces. */
	file_add("\xef");
	check_rows(s, out, ERR_AGAIN, "");
	file_add("\xbb\xbfte");
	check_rows(s, out, ERR_AGAIN, "");
	file_add("xt\n");
	check_rows(s, out, ERR_AGAIN, "");
	file_add("a\nb");
	check_rows(s, out, ERR_AGAIN, "2[a]");
	check_rows(s, out, ERR_AGAIN, "");
	file_add("b\n\"c\nd");
	check_rows(s, out, ERR_AGAIN, "3[bb]");
	file_add("\"\na\n");
	check_rows(s, out, ERR_AGAIN, "4[c\nd]6[a]#2");
	/* A blank line is an empty text once something follows it. */
	file_add("\n");
	check_rows(s, out, ERR_AGAIN, "");
	file_add("e\n");
	check_rows(s, out, ERR_AGAIN, "7!empty text; !8[e]");
	/* Bad records are told at once and passed when their line ends. */
	file_add("\"f\"g");
	check_rows(s, out, ERR_AGAIN, "9!text after a!");
	file_add("\"\nh\n");
	check_rows(s, out, ERR_AGAIN, "10[h]");
	source_free(s);
}

static void a_followed_line_that_is_too_long_is_passed(void **state)
{
	(void)state;
	char out[OUT_BYTES] = "";
	struct source_options options = options_make(SOURCE_JSONL, INPUT_FOLLOW, out);
	struct source *s;
	struct err_msg msg;
	char *line = malloc(RECORD_BYTES_MAX + 100);
	memset(line, 'x', RECORD_BYTES_MAX + 100);
	file_write("w", line, RECORD_BYTES_MAX + 100);
	assert_int_equal(source_open(path, &options, &s, &msg), ERR_OK);
	check_rows(s, out, ERR_AGAIN, "1!a line of mo!");
	file_write("a", line, 100);
	check_rows(s, out, ERR_AGAIN, "");
	file_add("xx\n\n{\"text\":\"a\"}\n{\"te");
	check_rows(s, out, ERR_AGAIN, "3[a]");
	file_add("xt\":\"a\"}\n");
	check_rows(s, out, ERR_AGAIN, "4[a]#2");
	source_free(s);
	free(line);
}

/* Cut off and written anew: another source, and the half line is no row. */
static void a_followed_file_is_cut(void **state)
{
	(void)state;
	char out[OUT_BYTES] = "";
	struct source_options options = options_make(SOURCE_CSV, INPUT_FOLLOW, out);
	struct source *s;
	struct err_msg msg;
	file_add("text\na\na\nhalf");
	assert_int_equal(source_open(path, &options, &s, &msg), ERR_OK);
	check_rows(s, out, ERR_AGAIN, "2[a]3[a]#2");
	file_write("w", "text\na\n", 7);
	check_rows(s, out, ERR_AGAIN, "2[a]");
	file_write("w", "te", 2);
	check_rows(s, out, ERR_AGAIN, "");
	file_write("w", "", 0);
	check_rows(s, out, ERR_AGAIN, "");
	file_add("text\nb\n");
	check_rows(s, out, ERR_AGAIN, "2[b]");
	source_free(s);
}

/* Renamed and made anew: the old one is read to its end, its last line included. */
static void a_followed_file_is_replaced(void **state)
{
	(void)state;
	char out[OUT_BYTES] = "", old[128];
	struct source_options options = options_make(SOURCE_CSV, INPUT_FOLLOW, out);
	struct source *s;
	struct err_msg msg;
	file_add("other,text\n1,a\n");
	assert_int_equal(source_open(path, &options, &s, &msg), ERR_OK);
	check_rows(s, out, ERR_AGAIN, "2[a]");
	snprintf(old, sizeof old, "%s.1", path);
	assert_int_equal(rename(path, old), 0);
	check_rows(s, out, ERR_AGAIN, "");
	FILE *f = fopen(old, "a");
	fputs("2,b", f);
	fclose(f);
	/* The columns may stand in another order. */
	file_add("text,other\nc,1\n");
	check_rows(s, out, ERR_AGAIN, "");
	check_rows(s, out, ERR_AGAIN, "3[b]2[c]");
	file_add("a,2\n");
	check_rows(s, out, ERR_AGAIN, "3[a]");
	source_free(s);
}

static void a_followed_gzip_grows_by_members(void **state)
{
	(void)state;
	char out[OUT_BYTES] = "";
	unsigned char data[200];
	struct source_options options = options_make(SOURCE_CSV, INPUT_FOLLOW, out);
	struct source *s;
	struct err_msg msg;
	size_t size = member(data, sizeof data, "text\na\n", 7);
	file_write("w", data, 1);
	assert_int_equal(source_open(path, &options, &s, &msg), ERR_OK);
	check_rows(s, out, ERR_AGAIN, "");
	file_write("a", data + 1, size - 1);
	check_rows(s, out, ERR_AGAIN, "2[a]");
	size = member(data, sizeof data, "b\n", 2);
	file_write("a", data, size - 1);
	file_write("a", data + size - 1, 1);
	check_rows(s, out, ERR_AGAIN, "3[b]");
	source_free(s);
}

/* A pipe that stays open says so instead of waiting, and has an end. */
static void a_live_pipe_never_waits(void **state)
{
	(void)state;
	char out[OUT_BYTES] = "", pipe_path[32];
	struct source_options options = options_make(SOURCE_CSV, INPUT_LIVE, out);
	struct source *s;
	struct err_msg msg;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	snprintf(pipe_path, sizeof pipe_path, "/dev/fd/%d", fds[0]);
	assert_int_equal(source_open(pipe_path, &options, &s, &msg), ERR_OK);
	assert_true(source_fd(s) >= 0);
	check_rows(s, out, ERR_AGAIN, "");
	assert_int_equal(write(fds[1], "text\na\nb", 8), 8);
	check_rows(s, out, ERR_AGAIN, "2[a]");
	close(fds[1]);
	check_rows(s, out, ERR_OK, "3[b]");
	source_free(s);
	close(fds[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(gzip_is_told_by_its_bytes),
	    TEST(gzip_members_are_one_text),
	    TEST(a_gzip_that_ends_early_is_told),
	    TEST(a_damaged_gzip_is_told),
	    TEST(a_gzip_bomb_is_a_bad_row),
	    TEST(a_followed_file_grows),
	    TEST(a_followed_line_that_is_too_long_is_passed),
	    TEST(a_followed_file_is_cut),
	    TEST(a_followed_file_is_replaced),
	    TEST(a_followed_gzip_grows_by_members),
	    TEST(a_live_pipe_never_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
