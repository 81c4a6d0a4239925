/* libs: freeal-lib */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/progress.h"

static const char annotate[] =
    "{\"task\":\"reviews\",\"phase\":\"annotate\",\"round\":0,\"rounds\":2,\"samples\":8000,"
    "\"labelled\":2000,\"done\":2000,\"total\":8000,\"rate\":50.0,\"requests\":2100,"
    "\"tokens_in\":1250000,\"tokens_out\":9999,\"usd\":0.5,\"set_aside\":7,\"blocked\":null,"
    "\"paused\":null,\"failed\":null,\"finished\":false}";

static json_t *load(const char *text)
{
	json_t *status = json_loads(text, 0, NULL);
	assert_non_null(status);
	return status;
}

static void line_says_everything_once(void **state)
{
	(void)state;
	json_t *status = load(annotate);
	struct buf out;
	buf_init(&out, 4096);
	progress_line(status, &out);
	assert_string_equal(buf_str(&out),
			    "round 0 annotate 2000/8000 (25 %), 50/s, 2 min 0 s left; LLM: 2100 "
			    "requests, 1.2 M + 9999 tokens, $0.50; 7 without an answer");
	buf_done(&out);
	json_decref(status);
}

static void samples_that_came_later_are_told(void **state)
{
	(void)state;
	json_t *status =
	    load("{\"task\":\"t\",\"phase\":\"annotate\",\"round\":1,\"rounds\":2,\"samples\":90,"
		 "\"in_round\":70,\"frozen\":true,\"labelled\":60,\"done\":5,\"total\":20}");
	struct buf out;
	buf_init(&out, 4096);
	progress_line(status, &out);
	assert_string_equal(buf_str(&out), "round 1 annotate (later samples) 5/20 (25 %)");
	buf_reset(&out);
	progress_block(status, 200, &out);
	assert_non_null(strstr(buf_str(&out), "labels (of samples that came later)"));
	assert_non_null(strstr(buf_str(&out), "60 of 90 samples labelled, 20 wait for the next"));
	buf_done(&out);
	json_decref(status);
}

static void no_rate_where_it_says_nothing(void **state)
{
	(void)state;
	json_t *status = load("{\"phase\":\"generate\",\"round\":0,\"done\":1,\"total\":2,"
			      "\"rate\":2.0,\"blocked\":\"401\"}");
	struct buf out;
	buf_init(&out, 4096);
	progress_line(status, &out);
	assert_string_equal(buf_str(&out), "round 0 generate 1/2 (50 %), waiting for you");
	buf_reset(&out);
	json_t *slow = load("{\"phase\":\"train\",\"done\":1,\"total\":2,\"rate\":0.05}");
	progress_line(slow, &out);
	assert_string_equal(buf_str(&out), "round 0 train 1/2 (50 %), 20 s left");
	buf_done(&out);
	json_decref(slow);
	json_decref(status);
}

static void line_leaves_out_what_is_missing(void **state)
{
	(void)state;
	json_t *status = load("{\"phase\":\"train\",\"round\":1}");
	struct buf out;
	buf_init(&out, 4096);
	progress_line(status, &out);
	assert_string_equal(buf_str(&out), "round 1 train");
	buf_reset(&out);
	json_t *empty = load("{}");
	progress_line(empty, &out);
	assert_string_equal(buf_str(&out), "");
	buf_done(&out);
	json_decref(empty);
	json_decref(status);
}

static void block_fits_its_width(void **state)
{
	(void)state;
	json_t *status = load(annotate);
	struct buf out;
	for (unsigned width = 1; width < 100; width++) {
		buf_init(&out, 4096);
		progress_block(status, width, &out);
		unsigned lines = 0;
		for (const char *line = buf_str(&out), *end; (end = strchr(line, '\n'));
		     line = end + 1, lines++)
			assert_true((size_t)(end - line) <= width);
		assert_int_equal(lines, 4);
		buf_done(&out);
	}
	json_decref(status);
}

static void block_counts_columns_not_bytes(void **state)
{
	(void)state;
	json_t *status = load("{\"task\":\"\xc3\xa4\xc3\xb6\xc3\xbc\",\"phase\":\"done\"}");
	struct buf out;
	buf_init(&out, 4096);
	progress_block(status, 2, &out);
	assert_memory_equal(buf_str(&out), "\xc3\xa4\xc3\xb6\n", 5);
	buf_done(&out);
	json_decref(status);
}

static void block_bar_shows_the_share(void **state)
{
	(void)state;
	json_t *status = load(annotate);
	struct buf out;
	buf_init(&out, 4096);
	progress_block(status, 200, &out);
	assert_non_null(strstr(buf_str(&out), "[#######.......................] 2,000 / 8,000, "
					      "50/s, 2 min 0 s left\n"));
	buf_done(&out);
	json_decref(status);
}

static void alarm_names_the_reason(void **state)
{
	(void)state;
	json_t *status = load("{\"blocked\":\"401 from http://x: wrong key\"}");
	json_t *calm = load(annotate);
	struct buf out;
	buf_init(&out, 4096);
	progress_alarm(calm, &out);
	assert_int_equal(out.size, 0);
	progress_alarm(status, &out);
	assert_non_null(strstr(buf_str(&out), "401 from http://x: wrong key"));
	buf_done(&out);
	json_decref(calm);
	json_decref(status);
}

static void times_are_readable(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 4096);
	const double seconds[] = {-1, 0, 59.4, 60, 3599, 3600, 1e300};
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
		progress_time(seconds[i], &out);
		buf_add_char(&out, '|');
	}
	assert_string_equal(buf_str(&out), "0 s|0 s|59 s|1 min 0 s|59 min 59 s|1 h 0 min|"
					   "277777 h 46 min|");
	buf_done(&out);
}

static void lines_come_now_and_then(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct progress p = {.out = out};
	json_t *status = load("{\"phase\":\"train\",\"round\":1}");
	json_t *more = load("{\"phase\":\"train\",\"round\":1,\"done\":1,\"total\":2}");
	json_t *next = load("{\"phase\":\"select\",\"round\":1}");
	progress_show(&p, status, 1000);
	progress_show(&p, more, 1250);
	progress_show(&p, status, 1000 + PROGRESS_LINE_MS);
	progress_show(&p, more, 1000 + 2 * PROGRESS_LINE_MS);
	progress_show(&p, next, 1000 + 2 * PROGRESS_LINE_MS + 1);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "freeal: round 1 train\nfreeal: round 1 train 1/2 (50 %)\n"
				  "freeal: round 1 select\n");
	free(text);
	json_decref(status);
	json_decref(more);
	json_decref(next);
}

static void a_missing_worker_is_spoken_of_after_a_while(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct progress p = {.out = out};
	json_t *without = load("{\"phase\":\"train\",\"missing\":\"trainer\"}");
	json_t *with = load("{\"phase\":\"train\",\"missing\":null}");
	progress_show(&p, without, 1000);
	progress_show(&p, with, 2000);
	progress_show(&p, without, 3000);
	progress_show(&p, without, 2999 + PROGRESS_MISSING_MS);
	assert_int_equal(fflush(out), 0);
	assert_null(strstr(text, "WAITING"));
	progress_show(&p, without, 3000 + PROGRESS_MISSING_MS);
	progress_show(&p, with, 3001 + PROGRESS_MISSING_MS);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "freeal: WAITING: no trainer is connected; its log says why\n"
				     "freeal: it goes on\n"));
	free(text);
	json_decref(without);
	json_decref(with);
}

static void block_is_written_over(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct progress p = {.out = out, .terminal = true};
	json_t *status = load("{\"task\":\"t\",\"phase\":\"done\"}");
	progress_show(&p, status, 0);
	assert_int_equal(p.block_lines, 3);
	progress_show(&p, status, 1);
	assert_int_equal(fclose(out), 0);
	assert_null(strstr(text, "\033[3A\033"));
	assert_non_null(strstr(text, "\033[J\033[3A\r"));
	free(text);
	json_decref(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(line_says_everything_once),
	    cmocka_unit_test(samples_that_came_later_are_told),
	    cmocka_unit_test(no_rate_where_it_says_nothing),
	    cmocka_unit_test(line_leaves_out_what_is_missing),
	    cmocka_unit_test(block_fits_its_width),
	    cmocka_unit_test(block_counts_columns_not_bytes),
	    cmocka_unit_test(block_bar_shows_the_share),
	    cmocka_unit_test(alarm_names_the_reason),
	    cmocka_unit_test(times_are_readable),
	    cmocka_unit_test(lines_come_now_and_then),
	    cmocka_unit_test(a_missing_worker_is_spoken_of_after_a_while),
	    cmocka_unit_test(block_is_written_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
