/* libs: freeal-mockllm-lib */
/* Forms, files, pages and batches of the Batch API; vectors of texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mockllm/batches.h"
#include "mockllm/embeddings.h"
#include "mockllm/multipart.h"
#include "mockllm/page.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum err form_find(const char *type, const char *body, const char *name,
			  struct multipart_field *ret_field)
{
	return multipart_find(type, chat_text_of(body), name, ret_field);
}

static void test_multipart(void **state)
{
	(void)state;
	static const char type[] = "multipart/form-data; boundary=\"a b\"";
	static const char body[] =
	    "preamble\r\n--a b\r\n"
	    "Content-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
	    "--a b\r\nContent-Type: text/plain\r\n"
	    "Content-Disposition: form-data; name=\"file\"; filename=\"x.jsonl\"\r\n"
	    "\r\n--a\n\r\n--a b\r\n"
	    "Content-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--a b--\r\n";
	struct multipart_field f;
	assert_int_equal(form_find(type, body, "purpose", &f), ERR_OK);
	assert_true(chat_text_equal(f.value, chat_text_of("batch")));
	assert_int_equal(f.filename.size, 0);
	assert_int_equal(form_find(type, body, "file", &f), ERR_OK);
	assert_true(chat_text_equal(f.value, chat_text_of("--a\n")));
	assert_true(chat_text_equal(f.filename, chat_text_of("x.jsonl")));
	assert_int_equal(form_find(type, body, "empty", &f), ERR_OK);
	assert_int_equal(f.value.size, 0);
	assert_int_equal(form_find(type, body, "none", &f), ERR_NOT_FOUND);
	/* The first delimiter may be the first thing. */
	assert_int_equal(
	    form_find("Multipart/Form-Data; boundary=q; charset=x",
		      "--q\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--q--", "a",
		      &f),
	    ERR_OK);
	assert_true(chat_text_equal(f.value, chat_text_of("1")));
}

/* Whatever is cut off its end, a form is whole or refused. */
static void test_multipart_broken(void **state)
{
	(void)state;
	static const char type[] = "multipart/form-data; boundary=q";
	static const char body[] =
	    "--q\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--q--";
	struct multipart_field f;
	for (size_t size = 0; size < sizeof body - 3; size++) {
		char *copy = malloc(size + 1); /* so that a read behind the end is seen */
		assert_non_null(copy);
		memcpy(copy, body, size);
		assert_int_equal(multipart_find(type, (struct chat_text){copy, size}, "a", &f) ==
				     ERR_OK,
				 size >= strlen(body) - 2);
		free(copy);
	}
	static const char *const types[] = {"application/json", "multipart/form-data",
					    "multipart/form-data; boundary=", ""};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		assert_int_equal(form_find(types[i], body, "a", &f), ERR_INVALID);
	assert_int_equal(form_find(NULL, body, "a", &f), ERR_INVALID);
}

static void test_files(void **state)
{
	(void)state;
	struct files *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	files_init(f);
	for (int i = 0; i < FILES_MAX; i++)
		assert_non_null(files_add(f, chat_text_of("n"), "batch", chat_text_of("abc"), 5));
	assert_null(files_add(f, chat_text_of("n"), "batch", chat_text_of("abc"), 5));
	files_delete(f, files_find(f, "file-mock-1"));
	assert_null(files_find(f, "file-mock-1"));
	assert_string_equal(files_find(f, "file-mock-1000")->data.data, "abc");
	/* An id is used once. */
	const struct file *file = files_add(f, chat_text_of("a\"b"), "batch", chat_text_of("d"), 6);
	assert_string_equal(file->id, "file-mock-1001");
	struct buf out;
	buf_init(&out, 1000);
	files_write(&out, file);
	json_t *root = json_loadb(out.data, out.size, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(root, "filename")), "a\"b");
	json_decref(root);
	buf_done(&out);
	files_done(f);
	free(f);
}

static void assert_page(const char *limit, const char *after, const char *expected)
{
	static const char *const ids[] = {"c", "b", "a"};
	struct buf out;
	struct page p;
	buf_init(&out, 1000);
	page_begin(&p, &out, limit, after);
	for (size_t i = 0; i < 3; i++) {
		if (page_next(&p, ids[i]))
			buf_printf(&out, "\"%s\"", ids[i]);
	}
	page_end(&p);
	assert_string_equal(buf_str(&out), expected);
	buf_done(&out);
}

static void test_page(void **state)
{
	(void)state;
	assert_page(NULL, NULL,
		    "{\"object\":\"list\",\"data\":[\"c\",\"b\",\"a\"],\"first_id\":\"c\","
		    "\"last_id\":\"a\",\"has_more\":false}");
	assert_page("1", NULL,
		    "{\"object\":\"list\",\"data\":[\"c\"],\"first_id\":\"c\",\"last_id\":\"c\","
		    "\"has_more\":true}");
	assert_page("0", "c",
		    "{\"object\":\"list\",\"data\":[\"b\"],\"first_id\":\"b\",\"last_id\":\"b\","
		    "\"has_more\":true}");
	assert_page("9", "x",
		    "{\"object\":\"list\",\"data\":[],\"first_id\":null,\"last_id\":null,"
		    "\"has_more\":false}");
}

#define LINE(id, url)                                                                              \
	"{\"custom_id\":\"" id "\",\"method\":\"POST\",\"url\":\"" url "\",\"body\":{}}"

static void test_batch_input(void **state)
{
	(void)state;
	static const struct {
		const char *data;
		const char *code; /* NULL: taken */
		size_t line;
	} cases[] = {
	    {LINE("a", "/v1/embeddings") "\n\n" LINE("b", "/v1/embeddings"), NULL, 2},
	    {"", "empty_file", 0},
	    {"\n\n", "empty_file", 0},
	    {LINE("a", "/v1/embeddings") "\n[1]\n", "invalid_json_line", 2},
	    {LINE("a", "/v1/embeddings") "\n{", "invalid_json_line", 2},
	    {LINE("a", "/v1/embeddings") "\n" LINE("a", "/v1/embeddings"), "duplicate_custom_id",
	     2},
	    {LINE("", "/v1/embeddings"), "missing_required_parameter", 1},
	    {LINE("a", "/v1/chat/completions"), "mismatched_endpoint", 1},
	    {"{\"custom_id\":\"a\",\"method\":\"GET\",\"url\":\"/v1/embeddings\",\"body\":{}}",
	     "invalid_method", 1},
	    {"{\"custom_id\":\"a\",\"method\":\"POST\",\"url\":\"/v1/embeddings\"}",
	     "missing_required_parameter", 1},
	};
	struct batches *all = calloc(1, sizeof(*all));
	struct files *files = calloc(1, sizeof(*files));
	assert_true(all && files);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct file *file =
		    files_add(files, chat_text_of("n"), "batch", chat_text_of(cases[i].data), 1);
		struct batch *b = batches_add(all, "/v1/embeddings", file);
		struct buf out;
		buf_init(&out, 10000);
		if (cases[i].code) {
			assert_string_equal(b->error.code, cases[i].code);
			assert_int_equal(b->error.line, cases[i].line);
			batch_end(b, BATCH_FAILED, 3);
		} else {
			assert_null(b->error.code);
			assert_int_equal(b->total, cases[i].line);
		}
		batch_write(&out, b);
		json_t *root = json_loadb(out.data, out.size, 0, NULL);
		assert_string_equal(json_string_value(json_object_get(root, "status")),
				    cases[i].code ? "failed" : "validating");
		json_decref(root);
		buf_done(&out);
	}
	batches_done(all);
	files_done(files);
	free(all);
	free(files);
}

static double dot(const float *a, const float *b, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += (double)a[i] * (double)b[i];
	return sum;
}

static void test_vectors(void **state)
{
	(void)state;
	enum { COUNT = 256 };
	float a[COUNT];
	float b[COUNT];
	float c[COUNT];
	embeddings_vector(chat_text_of("the cat sat"), a, COUNT);
	embeddings_vector(chat_text_of("The CAT, sat!"), b, COUNT);
	embeddings_vector(chat_text_of("the dog sat"), c, COUNT);
	assert_memory_equal(a, b, sizeof a);
	assert_true(fabs(dot(a, a, COUNT) - 1) < 1e-6);
	assert_true(fabs(dot(a, c, COUNT) - 2.0 / 3) < 1e-6);
	embeddings_vector(chat_text_of("..."), a, COUNT);
	assert_true(fabs(dot(a, a, COUNT) - 1) < 1e-6);
	embeddings_vector(chat_text_of("one two"), a, 1);
	assert_true(fabsf(fabsf(a[0]) - 1) < 1e-6f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_multipart),	cmocka_unit_test(test_multipart_broken),
	    cmocka_unit_test(test_files),	cmocka_unit_test(test_page),
	    cmocka_unit_test(test_batch_input), cmocka_unit_test(test_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
