/* libs: llm base */
#include "llm/batch_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void file_is_multipart_with_a_line_each(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, 4096);
	batch_file_begin(&out);
	batch_file_line(&out, "2-0-7-0-1", "{\"model\":\"m\"}", 13);
	batch_file_line(&out, "2-0-8-0-1", "{}", 2);
	batch_file_end(&out);
	const char *wanted =
	    "--" BATCH_BOUNDARY "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n"
	    "batch\r\n--" BATCH_BOUNDARY "\r\nContent-Disposition: form-data; name=\"file\"; "
	    "filename=\"freeal.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n"
	    "{\"custom_id\":\"2-0-7-0-1\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\","
	    "\"body\":{\"model\":\"m\"}}\n"
	    "{\"custom_id\":\"2-0-8-0-1\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\","
	    "\"body\":{}}\n\r\n--" BATCH_BOUNDARY "--\r\n";
	assert_string_equal(buf_str(&out), wanted);
	buf_reset(&out);
	batch_create_write(&out, "file-1", "c0ffee");
	assert_string_equal(buf_str(&out), "{\"input_file_id\":\"file-1\",\"endpoint\":"
					   "\"/v1/chat/completions\",\"completion_window\":\"24h\","
					   "\"metadata\":{\"freeal\":\"c0ffee\"}}");
	buf_done(&out);
}

static void file_id_is_no_path(void **state)
{
	(void)state;
	char id[BATCH_ID_BYTES_MAX];
	static const char *const bad[] = {
	    "", "{}", "[]", "{\"id\":5}", "{\"id\":\"\"}", "{\"id\":\"../x\"}", "{\"id\":\"a?b\"}"};
	assert_int_equal(batch_file_parse("{\"id\":\"file-Ab_9\"}", 18, id), ERR_OK);
	assert_string_equal(id, "file-Ab_9");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(batch_file_parse(bad[i], strlen(bad[i]), id), ERR_PROTOCOL);
}

static void object_status_and_files_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err e;
		enum batch_status status;
		const char *output, *errors, *error;
	} cases[] = {
	    {"{\"id\":\"b\",\"status\":\"validating\",\"output_file_id\":null}", ERR_OK, BATCH_RUNS,
	     "", "", ""},
	    {"{\"id\":\"b\",\"status\":\"completed\",\"output_file_id\":\"o\","
	     "\"error_file_id\":\"e\"}",
	     ERR_OK, BATCH_ENDED, "o", "e", ""},
	    {"{\"id\":\"b\",\"status\":\"expired\",\"error_file_id\":\"e\"}", ERR_OK, BATCH_ENDED,
	     "", "e", ""},
	    {"{\"id\":\"b\",\"status\":\"cancelled\"}", ERR_OK, BATCH_ENDED, "", "", ""},
	    {"{\"id\":\"b\",\"status\":\"failed\",\"errors\":{\"data\":[{\"code\":\"bad\","
	     "\"message\":\"no\",\"line\":3}]}}",
	     ERR_OK, BATCH_FAILED, "", "", "bad: no"},
	    {"{\"id\":\"b\",\"status\":\"new\"}", ERR_PROTOCOL, 0, "", "", ""},
	    {"{\"status\":\"completed\"}", ERR_PROTOCOL, 0, "", "", ""},
	    {"nothing", ERR_PROTOCOL, 0, "", "", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct batch_object o;
		assert_int_equal(batch_object_parse(cases[i].text, strlen(cases[i].text), &o),
				 cases[i].e);
		if (cases[i].e)
			continue;
		assert_int_equal(o.status, cases[i].status);
		assert_string_equal(o.output_file, cases[i].output);
		assert_string_equal(o.error_file, cases[i].errors);
		assert_string_equal(o.error, cases[i].error);
	}
}

static enum err list_find(const char *text, struct batch_object *o, char *after)
{
	return batch_list_find(text, strlen(text), "tok", o, after);
}

static void list_is_looked_through_by_token(void **state)
{
	(void)state;
	struct batch_object o;
	char after[BATCH_ID_BYTES_MAX];
	assert_int_equal(list_find("{\"data\":[{\"id\":\"a\",\"status\":\"failed\"},{\"id\":\"b\","
				   "\"status\":\"in_progress\",\"metadata\":{\"freeal\":\"tok\"}}],"
				   "\"has_more\":true}",
				   &o, after),
			 ERR_OK);
	assert_string_equal(o.id, "b");
	assert_int_equal(list_find("{\"data\":[{\"id\":\"a\",\"metadata\":{\"freeal\":\"x\"}}],"
				   "\"has_more\":true}",
				   &o, after),
			 ERR_NOT_FOUND);
	assert_string_equal(after, "a");
	assert_int_equal(list_find("{\"data\":[{\"id\":\"a\",\"metadata\":null}]}", &o, after),
			 ERR_NOT_FOUND);
	assert_string_equal(after, "");
	assert_int_equal(list_find("{\"data\":[],\"has_more\":true}", &o, after), ERR_NOT_FOUND);
	assert_string_equal(after, "");
	assert_int_equal(list_find("{}", &o, after), ERR_PROTOCOL);
}

static void answers_are_read_line_by_line(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum err e;
		uint32_t status;
		const char *body, *error;
	} cases[] = {
	    {"{\"custom_id\":\"c\",\"response\":{\"status_code\":200,\"body\":{\"a\": 1}},"
	     "\"error\":null}",
	     ERR_OK, 200, "{\"a\":1}", ""},
	    {"{\"custom_id\":\"c\",\"response\":{\"status_code\":429,\"body\":{\"error\":{}}}}",
	     ERR_OK, 429, "{\"error\":{}}", ""},
	    {"{\"custom_id\":\"c\",\"response\":null,\"error\":{\"code\":\"batch_expired\"}}",
	     ERR_OK, 0, "", "batch_expired"},
	    {"{\"custom_id\":\"c\",\"response\":{\"status_code\":99999999999}}", ERR_OK, 0, "", ""},
	    {"{\"response\":{\"status_code\":200}}", ERR_PROTOCOL, 0, "", ""},
	    {"{\"custom_id\":\"c\"", ERR_PROTOCOL, 0, "", ""},
	    {"", ERR_PROTOCOL, 0, "", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct batch_answer a;
		assert_int_equal(batch_answer_parse(cases[i].line, strlen(cases[i].line), &a),
				 cases[i].e);
		if (cases[i].e)
			continue;
		assert_string_equal(a.custom_id, "c");
		assert_int_equal(a.status, cases[i].status);
		assert_string_equal(a.body, cases[i].body);
		assert_string_equal(a.error, cases[i].error);
		batch_answer_done(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(file_is_multipart_with_a_line_each),
	    cmocka_unit_test(file_id_is_no_path),
	    cmocka_unit_test(object_status_and_files_are_read),
	    cmocka_unit_test(list_is_looked_through_by_token),
	    cmocka_unit_test(answers_are_read_line_by_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
